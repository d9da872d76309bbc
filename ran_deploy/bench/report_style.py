"""The look of a report."""

CSS = """
:root { color-scheme: light; --ink: #1c2430; --soft: #5b6570; --line: #dfe3e8; --panel: #f6f8fa; --blue: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 56px; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 34px 0 10px; padding-bottom: 5px; border-bottom: 1px solid var(--line); }
h3 { font-size: 14px; margin: 0 0 6px; }
p { margin: 6px 0; }
.soft { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(136px, 1fr)); gap: 12px; margin: 20px 0 8px; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
.card b { display: block; font-size: 22px; line-height: 1.2; font-weight: 650; }
.card small { display: block; color: var(--soft); font-size: 12.5px; line-height: 1.4; }
.notes { background: #fff7e6; border: 1px solid #f1d9a6; border-radius: 8px; padding: 10px 16px; margin: 18px 0; }
.notes ul { margin: 4px 0; padding-left: 20px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 420px), 1fr)); gap: 18px; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: 12px 12px 6px; min-width: 0; }
svg { display: block; width: 100%; height: auto; }
svg { fill: var(--soft); }
svg text { font: 11px system-ui, "Segoe UI", Roboto, Arial, sans-serif; }
svg .name { font-size: 11.5px; fill: var(--ink); }
svg .halo { paint-order: stroke; stroke: #fff; stroke-width: 3px; stroke-linejoin: round; }
svg .grid { stroke: #e8ebef; } svg .axis { stroke: #9aa3ad; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 8px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; } td small { display: block; color: var(--soft); font-size: 11.5px; }
th:first-child, td:first-child, th.left, td.left { text-align: left; }
dl { display: grid; grid-template-columns: minmax(120px, 190px) 1fr; gap: 5px 16px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: 13px/1.5 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
code { overflow-wrap: anywhere; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; margin: 6px 0;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.bad { color: #a33c00; font-weight: 600; } .good { color: #00664a; font-weight: 600; }
footer { margin-top: 36px; color: var(--soft); font-size: 12.5px; }
@media (max-width: 560px) { main { padding: 18px 12px 40px; } h1 { font-size: 20px; }
  .cards { grid-template-columns: 1fr 1fr; } .card { padding: 10px 12px; } .card b { font-size: 20px; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; } figure { padding: 8px 4px 2px; } }
@media print { main { max-width: none; padding: 0; } figure, .card { break-inside: avoid; } }
"""
