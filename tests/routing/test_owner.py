from __future__ import annotations

import pytest

from relay.config.schema import Config, Owner
from relay.routing.owner import code_owners, owners_of
from relay.routing.traces import file_of
from tests.routing.build import event

PYTHON = """\
Traceback (most recent call last):
  File "/srv/shop/app/web.py", line 10, in handle
    pay()
  File "/srv/shop/app/pay.py", line 3, in refund
    raise KeyError
  File "/usr/lib/python3.11/json/decoder.py", line 3, in decode
KeyError: 'price'"""
JAVA = """\
java.lang.IllegalStateException: no
\tat java.util.Optional.get(Optional.java:143)
\tat com.shop.pay.Refund$Step.run(Refund.java:33)
\tat com.shop.web.Handler.handle(Handler.java:20)
Caused by: com.shop.X: y
\tat com.shop.other.Y.z(Y.java:1)"""
GO = """\
panic: no
goroutine 1 [running]:
shop/pay.Refund(0x1)
\t/srv/shop/pay/refund.go:33 +0x1f
main.main()
\t/srv/shop/main.go:9 +0x1f"""
NODE = """\
TypeError: no
    at refund (/srv/shop/lib/pay.js:3:7)
    at next (/srv/shop/node_modules/express/lib/router.js:5:3)"""
RUBY = """\
app/pay.rb:12:in `refund': no (RuntimeError)
\tfrom app/web.rb:3:in `handle'"""
PHP = """\
PHP Fatal error:  Uncaught Exception: no
Stack trace:
#0 /srv/shop/src/Pay.php(12): Pay->refund()
#1 {main}"""
NET = """\
System.InvalidOperationException: no
   at System.Linq.Enumerable.First()
   at Shop.Pay.Refund() in /srv/shop/Pay.cs:line 33"""


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (PYTHON, "/srv/shop/app/pay.py"),
        (JAVA, "com/shop/pay/Refund.java"),
        (GO, "/srv/shop/pay/refund.go"),
        (NODE, "/srv/shop/lib/pay.js"),
        (RUBY, "app/pay.rb"),
        (PHP, "/srv/shop/src/Pay.php"),
        (NET, "/srv/shop/Pay.cs"),
        ("timeout after 3000 ms", ""),
    ],
)
def test_the_file_of_the_innermost_frame(text: str, file: str) -> None:
    assert file_of(text) == file


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("*", "a/b.py", ""),
        ("*.js", "lib/a.js", "lib/a.jsx"),
        ("/build/logs/", "build/logs/x/y", "a/build/logs/x"),
        ("docs/*", "docs/a.md", "docs/in/a.md"),
        ("apps/", "x/apps/y/z.py", "apps"),
        ("/apps/github", "apps/github/a", "x/apps/github/a"),
        ("**/logs", "a/b/logs/x", "logsx"),
        ("logs", "a/logs/x", "a/mylogs/x"),
        ("a/**/b.py", "a/x/y/b.py", "a/x/c.py"),
        ("a/**/b.py", "a/b.py", "b.py"),
        ("a/**", "a/x/y", "b/a/x"),
        ("p?y.py", "x/pay.py", "x/paay.py"),
        ("a+b.py", "a+b.py", "aab.py"),
    ],
)
def test_patterns(pattern: str, taken: str, left: str) -> None:
    entries = ((pattern, ("@x",)),)
    assert code_owners(entries, taken) == ("@x",)
    assert not left or code_owners(entries, left) == ()


def test_the_last_pattern_counts_and_may_take_owners_away() -> None:
    entries = (("*", ("@li",)), ("/pay/", ("@wang",)), ("/pay/gen/", ()))
    assert [code_owners(entries, path) for path in ("a", "pay/a", "pay/gen/a")] == [("@li",), ("@wang",), ()]


def owner_of(text: str, *entries: tuple[str, tuple[str, ...]], **more: object) -> tuple[str, ...]:
    owner = Owner(owner="/srv/shop/CODEOWNERS", root="/srv/shop", else_=("ops",), entries=entries, **more)  # type: ignore[arg-type]
    people = {"wang": {"mail": "Wang@Example.com"}, "Payments": ("wang",), "ops": {"mail": "ops@example.com"}}
    config = Config(recipients={**people, "author": owner})  # type: ignore[dict-item]
    return owners_of(config, owner, event(text))


def test_owners_are_recipients() -> None:
    assert owner_of(PYTHON, ("/app/", ("@wang", "@org/payments"))) == ("wang", "Payments")
    assert owner_of(PYTHON, ("/app/", ("wang@example.com",))) == ("wang",)
    assert owner_of(PYTHON, ("/app/", ("@Someone",)), names={"@Someone": "wang"}) == ("wang",)
    assert owner_of(JAVA, ("/src/main/java/com/shop/pay/", ("@wang",))) == ("wang",)
    assert owner_of(RUBY, ("/app/", ("@wang",))) == ("wang",)


def test_where_nobody_is_found_the_others_hear_of_it() -> None:
    assert owner_of(PYTHON, ("/app/", ("@stranger",))) == ("ops",)
    assert owner_of(PYTHON, ("/lib/", ("@wang",))) == ("ops",)
    assert owner_of(PYTHON.replace("/srv/shop", "/srv/other"), ("*", ("@wang",))) == ("ops",)
    assert owner_of("no trace", ("*", ("@wang",))) == ("ops",)
