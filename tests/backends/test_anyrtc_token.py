from relay.backends.anyrtc_token import mint


def test_the_vendors_own_vector() -> None:
    made = mint(
        "970CA35de60c44645bbae8a215061b33",
        "5CFd2fd1755d40ecb72977518be15d3b",
        "test_user",
        salt=1,
        now=1111111 - 86_400,
        expire=1446455471,
    )
    assert made == (
        "006970CA35de60c44645bbae8a215061b33IAAsR0qgiCxv0vrpRcpkz5BrbfEWCBZ6kvR6t7qG/wJIQob86ogAAAAAEAABAAAAR/QQAAEA6AOvKDdW"
    )


def test_each_salt_makes_another_token() -> None:
    made = {mint("a" * 32, "c", "用户", salt=salt, now=0, expire=9) for salt in (1, 2)}
    assert len(made) == 2
