"""The words that tell variables from constants: lists only, no logic. All in lower case."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Beside a number, part of it.
UNITS: Final = _words(
    """
    b kb mb gb tb kib mib gib tib byte bytes bit bits time times bps kbps mbps ns us µs μs ms msec msecs
    millis millisecond milliseconds microseconds nanoseconds s sec secs second seconds min mins
    minute minutes h hr hrs hour hours d day days week weeks month months percent pct hz khz mhz
    ghz rpm am pm utc gmt cst cest cet est pst 毫秒 秒 分 分钟 时 小时 天 日 月 年 元 次 条 件 个 台
    """
)
CALENDAR: Final = _words(
    """
    jan feb mar apr may jun jul aug sep sept oct nov dec january february march april june july
    august september october november december mon tue wed thu fri sat sun monday tuesday
    wednesday thursday friday saturday sunday
    """
)
NAMERS_OF_CJK: Final = ("用户", "用户名", "账号", "账户", "操作人", "客户", "商户", "会员", "员工")
# The word that follows is somebody's or something's name.
NAMERS: Final = _words(
    """
    user users username account customer tenant uid sender receiver hostname pod comm dev
    """
) | frozenset(NAMERS_OF_CJK)
# ... unless it is one of these.
NOT_NAMES: Final = _words(
    """
    a account agent an and are as at authentication be been but by can cannot closed connection
    could denied did does doesn't reply response ack answer request packet message event update
    query lock block record access authorization disconnected down error errors exceeded exists
    lookup profile quota limit service space table mode expired failed fails failure for from had
    has have id in info input data intended invalid is it key list load locked login logout may
    missing must name names needs never no not of off offline on or out password process refused
    reset returned said sent session should side started state stopped that the then this time
    timed timeout to too unknown unreachable up via was were when which while will with without
    would
    """
)
# "for" is followed by somebody's name where one of these stands before it.
PASSWORDS: Final = _words("password passwords passwd authentication login logins logon logons credentials")
# Data after a colon or an equals sign.
BOOLEANS: Final = _words("true false null nil")
# Quoted text after one of these is data; the nearest word decides.
QUOTES_DATA: Final = _words(
    """
    value values near entry user username account login literal input string text character
    argument param parameter given got received db host hostname image query request uri url path
    file filename directory folder id session email mail sender receiver client server upstream
    referrer node pod container header password token name named line ip address phone by thread tag
    """
)
# ... and after one of these it is a name in the code, which tells problems apart.
QUOTES_CODE: Final = _words(
    """
    constraint column module key keyerror attribute function method class type relation table
    index field property reading setting option variable sequence schema extension role package
    import command operator service unit state keyword plugin feature maxmemory zone
    """
)
# In `key=word` the word is kept where the key is one of these, for it says what is wrong.
MEANINGFUL: Final = _words(
    """
    error err errno desc description message detail reason cause status state type kind code class
    exception service table op operation action method result severity category signal msg event unit
    component 渠道 原因 错误 类型 状态 错误码 结果
    """
)
_MEANINGFUL_ENDS: Final = ("code", "reason", "error", "status", "type", "errno", "exception")
# A number after one of these is a code ...
CODES: Final = _words(
    """
    errno errcode errorcode retcode resultcode sqlstate sqlcode hresult ntstatus winerror signal
    错误码 错误代码 异常码 返回码 信号
    """
)
# ... after one of these the status of an HTTP answer, or of a program's end ...
HTTP_STATUS: Final = _words("http httpstatus httpcode statuscode responsecode 状态码 响应码")
EXIT_STATUS: Final = _words("exitcode exitstatus returncode 退出码")
# ... and after "code", unless one of these stands before it.
NO_CODES: Final = _words(
    """
    verification verify confirmation activation access security auth authentication authorization sms otp pin
    postal post zip area country region city dial bar qr product item sku article discount coupon promo
    promotion voucher gift invite invitation referral customer vendor supplier branch employee department
    currency language source byte machine dress kernel
    """
)
# A dotted lower-case name that ends so is a host.
TOP_LEVEL: Final = _words(
    """
    com net org edu gov mil int io dev app ai cloud info biz local localdomain internal intranet
    lan corp home svc cn hk tw jp kr sg in au nz uk de fr it es nl be ch at pl cz se no fi dk ru
    ua br ca us eu tr ro hu pt gr mx ar
    """
)
# A dotted name that ends so is a file of data, with any name.
DATA_FILES: Final = _words(
    """
    log txt csv tsv json xml yaml yml conf cfg ini properties pdf doc docx xls xlsx ppt pptx zip
    gz tgz bz2 xz tar rar png jpg jpeg gif svg mp3 mp4 avi mov tmp temp bak old swp lock pid sock
    db sqlite sql dat bin dump out parquet avro html htm css crt pem cer p12
    """
)


def says_what_is_wrong(key: str) -> bool:
    """Whether the value of the key tells problems apart: `reason`, `decline_code`, `ErrorType`."""
    lower = key.lower()
    return lower in MEANINGFUL or lower.endswith(_MEANINGFUL_ENDS)
