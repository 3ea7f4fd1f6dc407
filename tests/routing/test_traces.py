from __future__ import annotations

import pytest

from relay.routing.traces import Trace, trace_of

JAVA = """2026-03-01 10:00:00 ERROR c.e.Handler - request failed
java.lang.IllegalStateException: no stock for 17
\tat java.base/java.util.Objects.requireNonNull(Objects.java:233)
\tat com.example.shop.Stock$$EnhancerBySpringCGLIB$$13.take(<generated>)
\tat com.example.shop.Stock.take(Stock.java:10)
\tat com.example.shop.Order.lambda$place$3(Order.java:20)
\tat com.example.shop.Order.place(Order.java:30)
Caused by: java.sql.SQLException: deadlock
\tat com.example.shop.Db.run(Db.java:1)"""
PYTHON = """Traceback (most recent call last):
  File "/usr/lib/python3.11/site-packages/flask/app.py", line 440, in dispatch
    rv = f()
  File "/app/billing/invoice.py", line 12, in total
    s += item['price']
  File "/app/billing/prices.py", line 9, in price
    return d[k]
KeyError: 'price'"""
NODE = """TypeError: Cannot read properties of undefined (reading 'id')
    at getProfile (/app/src/profile.js:97:95)
    at Layer.handle [as handle_request] (/app/node_modules/express/layer.js:91:5)
    at async Promise.all (index 7)"""
DOTNET = """System.NullReferenceException: Object reference not set
   at System.Linq.Enumerable.First[T](IEnumerable source)
   at Acme.LeadService.Assign(Guid id) in C:\\src\\LeadService.cs:line 270
   at Acme.LeadController.<Post>d__6.MoveNext()"""
RUBY = """NoMethodError (undefined method `total' for nil:NilClass):
  vendor/bundle/ruby/3.3.0/gems/actionpack/metal.rb:1:in `dispatch'
  app/models/invoice.rb:117:in `sum_lines'
  app/controllers/invoices_controller.rb:65:in `show'"""
PHP = """PHP Fatal error:  Uncaught TypeError: bad argument
#0 /var/www/vendor/lib/a.php(1): Lib->call()
#1 /var/www/cart.php(12): Cart->add(1, 2)
#2 {main}"""
GO = """panic: runtime error: index out of range [7] with length 2

goroutine 12 [running]:
runtime.gopanic(0x12)
\t/usr/lib/go/panic.go:1 +0x1
github.com/acme/gate/auth.parseHeader(0xefcf4ade2c, {0xd7, 0x36})
\t/go/src/header.go:206 +0xd73
github.com/acme/gate/proxy.(*Proxy).ServeHTTP(0xc7)
\t/go/src/proxy.go:2 +0x1
created by net/http.(*Server).Serve in goroutine 1"""


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        (
            JAVA,
            Trace(
                (
                    "java.lang.IllegalStateException: no stock for 17",
                    "java.sql.SQLException: deadlock",
                ),
                ("com.example.shop.Stock.take", "com.example.shop.Order.lambda$place$"),
            ),
        ),
        (PYTHON, Trace(("KeyError: 'price'",), ("prices.py:price", "invoice.py:total"))),
        (NODE, Trace((NODE.split("\n", 1)[0],), ("getProfile",))),
        (
            DOTNET,
            Trace(
                ("System.NullReferenceException: Object reference not set",),
                ("Acme.LeadService.Assign", "Acme.LeadController.<Post>d__.MoveNext"),
            ),
        ),
        (
            RUBY,
            Trace((RUBY.split("\n", 1)[0],), ("invoice.rb:sum_lines", "invoices_controller.rb:show")),
        ),
        (PHP, Trace(("TypeError: bad argument",), ("cart.php:Cart->add",))),
        (
            GO,
            Trace((GO.split("\n", 1)[0],), ("auth.parseHeader", "proxy.(*Proxy).ServeHTTP")),
        ),
    ],
)
def test_exceptions_and_the_innermost_frames_of_the_application(text: str, trace: Trace) -> None:
    assert trace_of(text) == trace


def test_line_numbers_say_nothing() -> None:
    assert trace_of(JAVA.replace(":10)", ":999)")) == trace_of(JAVA)


def test_a_trace_written_on_one_line() -> None:
    assert trace_of(JAVA.replace("\n", "\\n").replace("\t", "\\t")) == trace_of(JAVA)


def test_a_python_exception_of_any_name() -> None:
    found = trace_of(PYTHON.replace("KeyError: 'price'", "shop.OutOfStock: none left"))
    assert found is not None
    assert found.thrown == ("shop.OutOfStock: none left",)


@pytest.mark.parametrize("text", ["no answer", "no answer\nat all (really)", "a\n  b: c", "#1 of 3\nx"])
def test_other_texts_are_no_traces(text: str) -> None:
    assert trace_of(text) is None
