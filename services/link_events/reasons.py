"""Closed sets of words that appear alike in columns, metric labels, log fields and answers."""

from enum import StrEnum


class Verdict(StrEnum):
    """What the judge said of a click."""

    COUNTED = "counted"
    NOT_COUNTED = "not_counted"
    REVIEW = "review"


class Reason(StrEnum):
    """Why a click is not counted. A click keeps every reason that matched, the deciding one first."""

    INACTIVE_LINK = "inactive_link"
    METHOD_HEAD = "method_head"
    METHOD_OTHER = "method_other"
    PREFETCH = "prefetch"
    PREVIEW_HEADER = "preview_header"
    USER_AGENT_MISSING = "user_agent_missing"
    NAMED_BOT = "named_bot"
    SELF_CLICK = "self_click"
    TEST = "test"
    REPEAT = "repeat"


class VerdictCause(StrEnum):
    """Why a verdict was changed."""

    SLOT = "slot"
    REVIEW = "review"


class LinkState(StrEnum):
    """What a link was when it was clicked, as the redirector answered it."""

    ACTIVE = "active"
    DISABLED = "disabled"
    EXPIRED = "expired"


class NetworkFact(StrEnum):
    """What was known of a client's network when a click was captured."""

    INTERNAL = "internal"
    UNRESOLVED = "unresolved"


class Via(StrEnum):
    """How a conversion was reported."""

    API = "api"
    PIXEL = "pixel"
    SCRIPT = "script"


class FactKind(StrEnum):
    """What others report to us."""

    CONVERSION = "conversion"
    REVERSAL = "reversal"
    ACTIVITY = "activity"


class ActivityKind(StrEnum):
    """What an advocacy board reports of an advocate."""

    SHARE = "share"
    SESSION = "session"
    ENGAGEMENT = "engagement"


class Model(StrEnum):
    """How a conversion's credit is shared out among the touches that earn it."""

    LAST = "last"
    FIRST = "first"
    LINEAR = "linear"
    POSITION = "position"
    TIME_DECAY = "time_decay"


class Earning(StrEnum):
    """Which touches may earn, by their clicks' verdicts. Self clicks and tests never do."""

    COUNTED = "counted"
    REPEATS = "repeats"
    ANY = "any"


class TouchOutcome(StrEnum):
    """What a touch is to the conversion that names it."""

    EARNS = "earns"
    SELF = "self"
    PRECEDES_CLICK = "precedes_click"
    OUTSIDE_WINDOW = "outside_window"
    NOT_COUNTED = "not_counted"
    UNKNOWN = "unknown"


class ConversionState(StrEnum):
    """What became of a conversion. The last two are of an event that another holds the key of, and stored nowhere."""

    RECEIVED = "received"
    CREDITED = "credited"
    PENDING_CLICK = "pending_click"
    UNKNOWN_CLICK = "unknown_click"
    OUTSIDE_WINDOW = "outside_window"
    PRECEDES_CLICK = "precedes_click"
    SELF = "self"
    NOT_COUNTED_CLICK = "not_counted_click"
    UNKNOWN_CURRENCY = "unknown_currency"
    VALUE_TOO_LARGE = "value_too_large"
    REVERSED = "reversed"
    TEST = "test"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class ScoreKind(StrEnum):
    """What points are for."""

    CLICK = "click"
    VISITOR_DAY = "visitor_day"
    CONVERSION = "conversion"
    VALUE = "value"
    ADJUSTMENT = "adjustment"


class DeadLetterReason(StrEnum):
    """Why a record can never be applied as it is."""

    NO_ORIGIN = "no_origin"
    NOT_JSON = "not_json"
    NOT_AN_EVENT = "not_an_event"
    UNKNOWN_TYPE = "unknown_type"
    ID_MISMATCH = "id_mismatch"
    BREAKS_SCHEMA = "breaks_schema"
    TIME_OUT_OF_RANGE = "time_out_of_range"


class HoleKind(StrEnum):
    """Why seqs were skipped."""

    MISSING = "missing"
    DEAD_LETTER = "dead_letter"


class DeadLetterEnd(StrEnum):
    """What became of a dead letter that a person took in hand."""

    REPLAYED = "replayed"
    DISCARDED = "discarded"


class StopReason(StrEnum):
    """Why a partition stands still.

    After OFFSET_OUT_OF_RANGE until a person resets it; else until what is in the way is gone, or a reset.
    """

    OFFSET_OUT_OF_RANGE = "offset_out_of_range"
    DEAD_LETTER_RATIO = "dead_letter_ratio"
    PARTITION_COUNT = "partition_count"
    LOG_REFUSES = "log_refuses"
    UNREADABLE = "unreadable"
