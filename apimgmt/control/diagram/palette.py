"""The colours of a picture by what they mean, each for a light and for a dark surface, and the style they make."""

from __future__ import annotations

COLOURS: dict[str, tuple[str, str]] = {
    "page": ("#ffffff", "#0f141b"),
    "inside": ("#f6f8fa", "#151b24"),
    "deeper": ("#eef1f5", "#1a222d"),
    "card": ("#ffffff", "#1f2733"),
    "edge": ("#c9d1db", "#3b4757"),
    "way": ("#7b8796", "#76849a"),
    "text": ("#1b2430", "#e8ecf2"),
    "muted": ("#465160", "#c3ccd8"),
    "failed": ("#b3121d", "#ffb8bb"),
    "control": ("#5a3fbf", "#cdbfff"),
    "data": ("#1b549b", "#a9d0ff"),
    "call": ("#085c51", "#6fdccb"),
    "error": ("#b3121d", "#ffb8bb"),
    "time": ("#774b00", "#f2c377"),
    "heat1": ("#fff6e3", "#2d2b27"),
    "heat2": ("#ffe9c4", "#403421"),
    "heat3": ("#ffdaa0", "#563f1c"),
    "heat4": ("#ffc87e", "#6b4b18"),
}
CATEGORIES = {
    **dict.fromkeys(("do", "switch", "for", "fork", "try"), "control"),
    "set": "data",
    "run": "call",
    "call": "call",
    "raise": "error",
    "wait": "time",
}
# a task's share of the whole time, from which on it is this hot
HEAT = (0.02, 0.10, 0.25, 0.50)
_SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',Arial,sans-serif"
_MONOSPACED = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_SHAPES = (
    f".f text{{font:400 11px {_SANS};white-space:pre}}",
    # an Arabic name does not turn what stands beside it
    ".f tspan{unicode-bidi:isolate}",
    ".f .title{font-size:17px;font-weight:650}",
    ".f .about{font-size:12px}",
    ".f .name{font-size:13px;font-weight:600}",
    f".f .code{{font-family:{_MONOSPACED}}}",
    ".f .right{text-anchor:end}",
    ".f .middle{text-anchor:middle}",
    ".f .shape{stroke-width:1}",
    ".f .idle>.shape,.f .catch,.f .more>.shape{stroke-dasharray:4 3}",
    ".f .wrong>.shape{stroke-width:2}",
    ".f .way{fill:none;stroke-width:1.25}",
    ".f .strong{font-weight:600}",
)


def style() -> str:
    """The style sheet: the light colours, and the dark ones for who prefers them (Media Queries 5, section 12.5)."""
    return "".join(_SHAPES) + _coloured(0) + "@media (prefers-color-scheme:dark){" + _coloured(1) + "}"


def _coloured(dark: int) -> str:
    of = {name: pair[dark] for name, pair in COLOURS.items()}
    fills = {"page": "page", "inside": "inside", "deeper": "deeper", "card": "card", "tip": "way", "catch": "page"}
    rules = [f".f .{name}{{fill:{of[colour]}}}" for name, colour in fills.items()]
    rules += [f".f .heat{level}{{fill:{of[f'heat{level}']}}}" for level in range(1, 5)]
    rules += [f".f .shape{{stroke:{of['edge']}}}", f".f .way{{stroke:{of['way']}}}"]
    rules += [f".f .wrong>.shape{{stroke:{of['failed']}}}"]
    rules += [f".f text{{fill:{of['text']}}}", f".f .muted,.f .idle>text{{fill:{of['muted']}}}"]
    rules += [f".f .{name}{{fill:{of[name]}}}" for name in ("failed", "control", "data", "call", "error", "time")]
    return "".join(rules)
