"""How Kafka is reached: addresses, TLS, SASL, and the time-outs that every client shares."""

import ssl
from dataclasses import dataclass, field
from typing import Any, Final, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.helpers import create_ssl_context

from event_log.contract import EventLogError
from event_log.kafka.explaining import listen_to_client
from event_log.kafka.failures import translated_failures
from event_log.kafka.patience import Patience
from event_log.settings import KafkaSecurity, KafkaSettings, SaslMechanism
from link_events.streams import Stream

CLIENT_ID: Final = "advolink"

listen_to_client()


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where Kafka is, and how connections to it are protected. The password is in no repr."""

    bootstrap: str
    security: KafkaSecurity = KafkaSecurity.PLAINTEXT
    sasl_mechanism: SaslMechanism = SaslMechanism.SCRAM_SHA_512
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    topic_prefix: str = ""
    patience: Patience = field(default_factory=Patience)

    @classmethod
    def of(cls, settings: KafkaSettings) -> Self:
        """The connection that `settings` describe.

        Raises:
            EventLogError: they name no bootstrap server, or a certificate cannot be read.
        """
        if settings.kafka_bootstrap is None:
            raise EventLogError("no Kafka is named: set ADVOLINK_KAFKA_BOOTSTRAP")
        password = settings.kafka_sasl_password
        return cls(
            bootstrap=settings.kafka_bootstrap,
            security=settings.kafka_security,
            sasl_mechanism=settings.kafka_sasl_mechanism,
            sasl_username=settings.kafka_sasl_username,
            sasl_password=password.get_secret_value() if password else None,
            ssl_context=_ssl_context(settings),
            topic_prefix=settings.kafka_topic_prefix,
        )

    def topic(self, stream: Stream) -> str:
        """The topic that carries `stream` here."""
        return f"{self.topic_prefix}{stream.topic}"

    def client_options(self) -> dict[str, Any]:
        """What every client of aiokafka is made with."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "client_id": CLIENT_ID,
            "request_timeout_ms": round(self.patience.request_s * 1000),
            "metadata_max_age_ms": round(self.patience.metadata_age_s * 1000),
            "retry_backoff_ms": round(self.patience.retry_s * 1000),
            "security_protocol": self.security.value,
            "ssl_context": self.ssl_context,
        }
        if self.sasl_username is not None:
            options |= {
                "sasl_mechanism": self.sasl_mechanism.value,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        return options


async def is_serving(connection: KafkaConnection) -> bool:
    """Whether Kafka answers: an open port alone says nothing of a broker that has yet to join its cluster."""
    try:
        with translated_failures():
            admin = AIOKafkaAdminClient(**connection.client_options())
            try:
                await admin.start()
                cluster = await admin.describe_cluster()
            finally:
                await admin.close()
    except EventLogError:
        return False
    return bool(cluster["brokers"])


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    if settings.kafka_security not in (KafkaSecurity.SSL, KafkaSecurity.SASL_SSL):
        return None
    try:
        context: ssl.SSLContext = create_ssl_context(
            cafile=str(settings.kafka_ca_file) if settings.kafka_ca_file else None,
            certfile=str(settings.kafka_certificate_file) if settings.kafka_certificate_file else None,
            keyfile=str(settings.kafka_key_file) if settings.kafka_key_file else None,
        )
    except OSError as error:  # ssl.SSLError is one
        raise EventLogError(f"the certificates for Kafka cannot be used: {error}") from error
    return context
