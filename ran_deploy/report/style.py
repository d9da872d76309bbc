"""The look of a report: on a phone, on a desk, by day and by night, and on paper."""

from ran_deploy.report.palette import DARK, LIGHT, variables

_SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
_MONO = 'ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace'

_COLOURS = f"""
:root {{ color-scheme: light dark; {variables(LIGHT)} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} }} }}
"""
_PAGE = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; color: var(--ink); background: var(--ground); font: 15.5px/1.55 SANS; overflow-wrap: anywhere; }
header, main, footer { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 28px; } header p { max-width: none; } main { padding-bottom: 32px; }
h1 { font-size: 27px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 19.5px; line-height: 1.3; margin: 40px 0 10px; padding-bottom: 6px;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 15px; line-height: 1.35; margin: 18px 0 6px; }
p { margin: 6px 0 10px; max-width: 96ch; } ul, ol { padding-left: 22px; }
a { color: var(--link); } :focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: -9999px; } .skip:focus { position: static; display: block; padding: 8px 20px; }
.soft, small { color: var(--soft); } .good { color: var(--green); font-weight: 600; }
.bad { color: var(--orange); font-weight: 600; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 14px 0 0; padding: 0;
  font-size: 14px; }
nav a { display: inline-block; padding: 4px 0; }
footer { padding-top: 14px; padding-bottom: 40px; color: var(--soft); font-size: 13px; }
footer p { border-top: 1px solid var(--line); padding-top: 12px; max-width: none; }
"""
_PARTS = """
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(148px, 1fr)); gap: 12px; margin: 16px 0 8px; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px;
  min-width: 0; }
.card b { display: block; font-size: 22px; line-height: 1.25; font-weight: 650; }
.card small { display: block; font-size: 13px; line-height: 1.4; }
.notes { background: var(--warn); border: 1px solid var(--warnline); border-radius: 10px; padding: 10px 16px;
  margin: 18px 0; }
.notes ul, .notes ol { margin: 4px 0; } .notes p { margin: 2px 0; }
.answer { background: var(--panel); border: 1px solid var(--line); border-left: 5px solid var(--green);
  border-radius: 10px; padding: 14px 18px; margin: 18px 0; }
.answer.none { border-left-color: var(--orange); }
.answer p:first-of-type { font-size: 17.5px; line-height: 1.45; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); gap: 18px;
  margin: 12px 0; }
.charts.single { grid-template-columns: minmax(0, 580px); }
figure { margin: 0; border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px 8px; min-width: 0; }
figure h3 { margin: 0 0 6px; } figcaption { color: var(--soft); font-size: 13px; }
svg { display: block; width: 100%; height: auto; fill: var(--soft); }
svg text { font: 12px SANS; font-variant-numeric: tabular-nums; } svg .name { fill: var(--ink); }
svg .halo { paint-order: stroke; stroke: var(--ground); stroke-width: 3px; stroke-linejoin: round; }
svg .grid { stroke: var(--line); } svg .axis { stroke: var(--axis); }
details { margin: 8px 0; } summary { cursor: pointer; color: var(--link); font-size: 14px; padding: 4px 0; }
.wide { overflow-x: auto; margin: 8px 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums;
  overflow-wrap: normal; }
caption { text-align: left; color: var(--soft); font-size: 13px; padding-bottom: 4px; }
th, td { text-align: right; vertical-align: top; padding: 6px 9px; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; } tbody th { font-weight: 600; }
td small, th small { display: block; font-size: 12.5px; font-weight: 400; }
th:first-child, td:first-child, th.left, td.left { text-align: left; }
td.text, th.text { text-align: left; white-space: normal; min-width: clamp(150px, 18vw, 215px);
  overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: minmax(120px, 210px) minmax(0, 1fr); gap: 5px 16px; margin: 8px 0; }
dt { color: var(--soft); } dd { margin: 0; }
code, pre { font: 13.5px/1.5 MONO; } small code { font-size: inherit; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; margin: 6px 0;
  white-space: pre-wrap; } .answer pre { background: var(--ground); }
abbr { text-decoration: none; }
.tree, .tree ul { list-style: none; margin: 0; padding: 0; } .tree ul { padding-left: 22px; }
.tree li { position: relative; padding: 3px 0; } .tree ul > li::before { content: ""; position: absolute; left: -14px;
  top: -4px; width: 9px; height: 20px; border-left: 1.5px solid var(--axis); border-bottom: 1.5px solid var(--axis); }
.tree code { font-size: 12.5px; color: var(--soft); }
"""
_PHONE = """
@media (max-width: 560px) { header, main, footer { padding-left: 14px; padding-right: 14px; }
  header { padding-top: 18px; } h1 { font-size: 22px; } .cards { grid-template-columns: 1fr 1fr; gap: 8px; }
  .card { padding: 10px 12px; } .card b { font-size: 19px; } .answer { padding: 12px 14px; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: 8px; } figure { padding: 10px 6px 6px; }
  figure h3, figcaption, figure details { padding-left: 6px; padding-right: 6px; } svg text { font-size: 14px; } }
"""
# Folded tables are opened on paper; their content is hidden by the pseudo-element in browsers of 2025 and later, and
# by ``content-visibility`` of a slot that no style reaches in older ones, which print them as they were on the screen.
_PAPER = """
@media print { @page { margin: 14mm 12mm; } body { font-size: 10.5pt; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  header, main, footer { max-width: none; padding-left: 0; padding-right: 0; } nav, .skip { display: none; }
  .wide { overflow: visible; } table { font-size: 8.5pt; } th, td { padding: 3px 5px; white-space: normal; }
  td.text, th.text { min-width: 74px; } td code { overflow-wrap: anywhere; }
  figure table { font-size: 7.5pt; } figure th, figure td { padding: 2px 3px; } td small, th small { font-size: 7.5pt; }
  h2, h3, summary, caption { break-after: avoid; } .plot, h3, .card, .answer, .notes li, tr, pre, dd {
  break-inside: avoid; } thead { display: table-header-group; } h2 { margin-top: 26px; }
  .charts { grid-template-columns: 1fr 1fr; }
  details::details-content { content-visibility: visible; display: block; block-size: auto; opacity: 1; }
  summary { list-style: none; color: var(--soft); } }
"""
CSS = _COLOURS + (_PAGE + _PARTS + _PHONE + _PAPER).replace("SANS", _SANS).replace("MONO", _MONO)
