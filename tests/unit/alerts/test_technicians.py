from datetime import date

from alerts.technicians import Certificate, CertificateKind, Technician, lacking_in

TODAY = date(2026, 3, 2)


def technician(name: str, valid_until: date | None = date(2027, 1, 1), **fields: object) -> Technician:
    held = [] if valid_until is None else [_certificate(valid_until)]
    return Technician(technician_id=name, name=name, certificates=held, **fields)  # type: ignore[arg-type]


def _certificate(valid_until: date, kind: CertificateKind = CertificateKind.LIFT_WORK) -> Certificate:
    return Certificate(kind=kind, number="TS-104", valid_until=valid_until)


def test_two_people_with_a_valid_certificate_lack_nothing() -> None:
    assert lacking_in([technician("Chan"), technician("Ines")], TODAY, None) == []


def test_one_person_alone_is_one_too_few() -> None:
    assert lacking_in([technician("Chan")], TODAY, None) == [
        "1 of 2 people with a valid certificate (WO-02, ST-01)",
    ]


def test_a_certificate_is_valid_on_its_last_day_and_not_on_the_next() -> None:
    assert technician("Chan", TODAY).is_certified(TODAY)
    assert not technician("Chan", date(2026, 3, 1)).is_certified(TODAY)


def test_who_lacks_what_is_named() -> None:
    crew = [
        technician("Chan", date(2026, 1, 31)),
        technician("Ines", None),
        technician("Olga", active=False),
        Technician(technician_id="K", name="Kim", certificates=[_certificate(date(2030, 1, 1), CertificateKind.KEYS)]),
    ]
    assert lacking_in(crew, TODAY, None) == [
        "0 of 2 people with a valid certificate (WO-02, ST-01)",
        "Chan: certificate TS-104 expired on 2026-01-31",
        "Ines: no certificate for work at lifts",
        "Olga: no longer active",
        "Kim: no certificate for work at lifts",
    ]


def test_of_several_certificates_the_one_that_lasts_longest_counts() -> None:
    held = [_certificate(date(2026, 1, 31)), _certificate(date(2027, 1, 31))]
    assert Technician(technician_id="C", name="Chan", certificates=held).is_certified(TODAY)


def test_somebody_of_another_company_is_named() -> None:
    crew = [technician("Chan", contractor="South"), technician("Ines", contractor="North"), technician("Olga")]
    (fault,) = lacking_in(crew, TODAY, "North")
    assert fault.startswith("Chan works for South, the lift is under contract with North")
