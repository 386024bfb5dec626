"""Which event log the services use and how it is reached, from the environment. docs/operations.md lists them."""

from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class EventLogKind(StrEnum):
    """What carries events between the services."""

    POSTGRES = "postgres"
    KAFKA = "kafka"


class KafkaSecurity(StrEnum):
    """How connections to Kafka are protected, in Kafka's own words."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class SaslMechanism(StrEnum):
    """How we say who we are."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


class KafkaSettings(BaseSettings):
    """Where Kafka is, and how connections to it are protected."""

    model_config = SettingsConfigDict(
        env_prefix="ADVOLINK_", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    kafka_bootstrap: str | None = Field(
        None,
        validation_alias="ADVOLINK_KAFKA_BOOTSTRAP",
        description="Kafka's brokers, as `host:port,host:port`.",
    )
    kafka_security: KafkaSecurity = Field(
        KafkaSecurity.PLAINTEXT,
        validation_alias="ADVOLINK_KAFKA_SECURITY",
        description="Kafka's `security.protocol`.",
    )
    kafka_sasl_mechanism: SaslMechanism = Field(
        SaslMechanism.SCRAM_SHA_512,
        validation_alias="ADVOLINK_KAFKA_SASL_MECHANISM",
        description="How SASL proves who we are.",
    )
    kafka_sasl_username: str | None = Field(
        None, validation_alias="ADVOLINK_KAFKA_SASL_USERNAME", description="The user name for SASL."
    )
    kafka_sasl_password: SecretStr | None = Field(
        None, validation_alias="ADVOLINK_KAFKA_SASL_PASSWORD", description="The password for SASL."
    )
    kafka_ca_file: Path | None = Field(
        None,
        validation_alias="ADVOLINK_KAFKA_CA_FILE",
        description="PEM file of the authorities that sign the brokers' certificates; the system's unless set.",
    )
    kafka_certificate_file: Path | None = Field(
        None,
        validation_alias="ADVOLINK_KAFKA_CERTIFICATE_FILE",
        description="PEM file of our own certificate, where brokers ask for one.",
    )
    kafka_key_file: Path | None = Field(
        None,
        validation_alias="ADVOLINK_KAFKA_KEY_FILE",
        description="PEM file of the key of our own certificate.",
    )

    kafka_topic_prefix: str = Field(
        "",
        validation_alias="ADVOLINK_KAFKA_TOPIC_PREFIX",
        pattern=r"^[A-Za-z0-9._-]{0,64}$",
        description="What the names of our topics begin with, where several installations share a cluster.",
    )

    @model_validator(mode="after")
    def _says_who_we_are(self) -> Self:
        has_sasl = self.kafka_security in (KafkaSecurity.SASL_PLAINTEXT, KafkaSecurity.SASL_SSL)
        if has_sasl and (self.kafka_sasl_username is None or self.kafka_sasl_password is None):
            raise ValueError(
                f"{self.kafka_security} needs ADVOLINK_KAFKA_SASL_USERNAME and ADVOLINK_KAFKA_SASL_PASSWORD"
            )
        return self


class EventLogSettings(KafkaSettings):
    """Which event log carries events, in the settings of both services."""

    event_log: EventLogKind = Field(
        EventLogKind.POSTGRES,
        validation_alias="ADVOLINK_EVENT_LOG",
        description="What carries events between the services: `postgres` or `kafka`.",
    )

    @model_validator(mode="after")
    def _says_where_kafka_is(self) -> Self:
        if self.event_log is EventLogKind.KAFKA and self.kafka_bootstrap is None:
            raise ValueError("ADVOLINK_EVENT_LOG=kafka needs ADVOLINK_KAFKA_BOOTSTRAP")
        return self


def plain_settings(**told: Any) -> EventLogSettings:
    """`told`, by the names of variables, and defaults: what the environment says is of another log."""
    defaults = {str(field.validation_alias): field.default for field in EventLogSettings.model_fields.values()}
    return EventLogSettings(**(defaults | told))
