"""What the API takes of subscriptions: who wants to be told of what, by which channel, and when not."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from alerts.addresses import URL_CHARS_MAX
from alerts.channels import EMAIL, MQTT, WEBHOOK
from alerts.quiet_hours import QuietHours
from alerts.subscriptions import KEEP_SECRET_H_MAX, Wanted
from api.bodies import Instant, Name, Taken

Topic = Annotated[
    str,
    StringConstraints(pattern=r"^(\*|[a-z-]{1,30}\.(\*|[a-z-]{1,30}))$"),
    Field(examples=["alert.raised", "work-order.*", "*"]),
]
_PART = r"[^@\s<>\x00-\x1f\x7f,;]+"
Address = Annotated[str, StringConstraints(pattern=f"^{_PART}@{_PART}$", max_length=254)]
WallClock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["22:00"])]


class Quiet(Taken):
    """When priorities 3 and 4 are held back; 1, 2 and what has no priority never are."""

    begins: WallClock
    ends: WallClock
    time_zone: Annotated[Name, Field(examples=["Asia/Hong_Kong"])]

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        self.hours()
        return self

    def hours(self) -> QuietHours:
        """Return them as the alerts room takes them."""
        return QuietHours(self.begins, self.ends, self.time_zone)


class Selection(Taken):
    """Of what somebody wants to be told. `priority_max` 2: of priorities 1 and 2, and of what has none."""

    name: Name
    team: Name | None = None
    topics: Annotated[list[Topic], Field(max_length=50)] = Field(default_factory=list)
    priority_max: Annotated[int, Field(ge=1, le=4)] | None = None
    sites: Annotated[list[Name], Field(max_length=200)] = Field(default_factory=list)
    contractors: Annotated[list[Name], Field(max_length=200)] = Field(default_factory=list)
    quiet: Quiet | None = None
    enabled: bool = True

    def selected(self, channel: str, target: str) -> Wanted:
        """Return it as the alerts room takes it."""
        fields = {name: getattr(self, name) for name in Selection.model_fields if name != "quiet"}
        quiet = None if self.quiet is None else self.quiet.hours()
        return Wanted(**fields, channel=channel, target=target, quiet=quiet)


class WebhookOrder(Selection):
    """A program that wants to be told, at its URL. Without `topics` it gets what escalations send to it."""

    url: Annotated[str, Field(max_length=URL_CHARS_MAX, examples=["https://cmms.example/hooks/liftwatch"])]

    def wanted(self) -> Wanted:
        """Return it as the alerts room takes it."""
        return self.selected(WEBHOOK, self.url)


class SubscriptionOrder(Selection):
    """A person who wants to be told by e-mail, or the broker (`mqtt`, without an address)."""

    channel: Literal["email", "mqtt"]
    address: Address | None = None

    @model_validator(mode="after")
    def _address_fits(self) -> Self:
        if (self.channel == EMAIL) != (self.address is not None):
            message = "address: e-mail needs one, mqtt has none"
            raise ValueError(message)
        return self

    def wanted(self) -> Wanted:
        """Return it as the alerts room takes it."""
        return self.selected(EMAIL if self.channel == EMAIL else MQTT, self.address or "")


class Rotation(Taken):
    """For how many hours the secret before signs as well."""

    keep_h: Annotated[int, Field(ge=0, le=KEEP_SECRET_H_MAX)] = 24


class Trial(Taken):
    """Who tries it."""

    by: Name


class Redelivery(Taken):
    """Since when."""

    since: Instant
