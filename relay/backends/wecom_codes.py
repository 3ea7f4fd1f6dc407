"""What WeCom's numbers mean, for robots and apps alike; the status is always 200.

https://developer.work.weixin.qq.com/document/path/90313
"""

from __future__ import annotations

from typing import Final

from relay.backends.meaning import PayloadError, meanings
from relay.backends.numbered import Numbered
from relay.backends.tokens import TokenRefusedError
from relay.errors import BackendDownError, RejectedError, TemporaryError

CODES: Final = Numbered(
    field="errcode",
    waits={"45009": 60.0, "45033": 5.0},  # frequency: until the minute is over; calls at a time
    meanings=meanings(
        TemporaryError,
        {
            "-1": "WeCom is busy",
            "6000": "somebody else is changing the same data",
        },
    )
    | meanings(
        TokenRefusedError,
        {
            "40001": "the secret is wrong, or the access token of another app",
            "40014": "the access token is not valid",
            "41001": "the access token is missing",
            "42001": "the access token has expired",
        },
    )
    | meanings(
        BackendDownError,
        {
            "40013": "`corpid` is wrong",
            "40056": "`agentid` is wrong",
            "40091": "`corpsecret` is wrong",
            "41002": "`corpid` is missing",
            "41004": "`corpsecret` is missing",
            "41011": "`agentid` is missing",
            "48001": "the app may not use this interface",
            "48002": "the app may not use this interface",
            "50003": "the app is disabled",
            "60020": "this host's address is not among the app's trusted IPs",
            "301002": "`agentid` is not the app that `corpsecret` belongs to",
            "93000": "the robot's key is wrong, or the robot was removed from its group",
        },
    )
    | meanings(
        RejectedError,
        {
            "40003": "no such user",
            "40031": "none of these users exists",
            "46004": "no such user",
            "60011": "the app may not see this user, department or tag",
            "60111": "no such user",
            "81013": "none of these users, departments and tags exists, or the app may not see them",
            "82001": "no receiver",
            "40050": "no such group chat",
            "49008": "the group chat was dissolved",
        },
    )
    | meanings(
        PayloadError,
        {
            "40008": "not a valid type of message",
            "40033": "characters that WeCom doesn't take",
            "40035": "not valid parameters",
            "40058": "not valid parameters, or too long",
            "44004": "the text is empty",
            "45002": "the text is too long",
            "45034": "a URL without a scheme that WeCom knows",
            "40206": "the message is too large",
            "40201": "the text was taken for spam",
            "40204": "the text was taken for spam",
            **{str(code): "the card has a field that WeCom doesn't take" for code in range(42031, 42052)},
        },
    ),
)
