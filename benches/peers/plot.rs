//! The ratios as bars, readable on light and dark pages alike.

use super::peer::Peer;
use super::report::{Row, cpu_ratio};

const LEFT: f64 = 130.0;
const WIDTH: f64 = 560.0;
const LINE: f64 = 24.0;
const TOP: f64 = 46.0;
/// The longest bar; what is longer is cut, and its number says so.
const MOST: f64 = 2.5;

/// Requests of sidegate for a second on a core, as a multiple of the better of nginx and HAProxy: that
/// says the same on a machine that others use, too.
pub(crate) fn ratios(rows: &[Row]) -> String {
    let bars: Vec<(String, f64)> = rows
        .iter()
        .filter(|row| row.peer == Peer::Sidegate)
        .filter_map(|row| Some((row.title(), 1.0 / cpu_ratio(rows, row)?)))
        .collect();
    let height = TOP + LINE * bars.len() as f64 + 12.0;
    let width = LEFT + WIDTH + 60.0;
    let one = LEFT + WIDTH / MOST;
    let mut text = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="Requests per CPU second of sidegate, as a multiple of the better of nginx and HAProxy">
<style>
text {{ font: 13px system-ui, sans-serif; fill: #1f2328 }}
.name {{ text-anchor: end }}
.bar {{ fill: #0969da }}
.less {{ fill: #bc4c00 }}
.one {{ stroke: #59636e; stroke-dasharray: 4 3 }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3 }}
.bar {{ fill: #4493f8 }}
.less {{ fill: #db6d28 }}
.one {{ stroke: #9198a1 }}
}}
</style>
<text x="{LEFT}" y="18">Requests per CPU second, × the better of nginx and HAProxy</text>
"#
    );
    for (at, (title, ratio)) in bars.iter().enumerate() {
        let y = TOP + LINE * at as f64;
        let length = ratio.min(MOST) / MOST * WIDTH;
        let class = if *ratio < 1.0 { "less" } else { "bar" };
        text += &format!(
            r#"<text class="name" x="{:.0}" y="{:.0}">{title}</text><rect class="{class}" x="{LEFT}" y="{y:.0}" width="{length:.1}" height="16" rx="2"/><text x="{:.0}" y="{:.0}">{ratio:.2}</text>
"#,
            LEFT - 8.0,
            y + 13.0,
            LEFT + length + 6.0,
            y + 13.0,
        );
    }
    text += &format!(
        r#"<line class="one" x1="{one:.1}" x2="{one:.1}" y1="{:.0}" y2="{:.0}"/><text x="{:.1}" y="{:.0}" text-anchor="middle">1</text>
</svg>
"#,
        TOP - 6.0,
        height - 8.0,
        one,
        TOP - 10.0,
    );
    text
}
