//! A picture of all parts: time from left to right, faults as marks, the longest silence of each call as a dot.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::Trouble;
use crate::part::Part;
use crate::results::Row;

const WIDTH: f64 = 1100.0;
const LEFT: f64 = 60.0;
const PANEL: f64 = 150.0;
const PLOT: f64 = 105.0;
/// Silences from 1 ms to 10 s, each decade as high as the others.
const DECADES: f64 = 4.0;

/// Draws `rows` and the parts that they come from.
pub(crate) fn write(path: &Path, parts: &[Part], rows: &[Row]) -> Result<(), Trouble> {
    std::fs::write(path, draw(parts, rows)).map_err(|error| Trouble::file(path, &error))
}

fn draw(parts: &[Part], rows: &[Row]) -> String {
    let height = PANEL * rows.len() as f64 + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-size=\"13\">The longest silence of each call at each fault \
         (dots; milliseconds), and when the faults struck (marks; seconds)</text>\n"
    );
    for (number, row) in rows.iter().enumerate() {
        let own: Vec<&Part> = parts.iter().filter(|part| part.name == row.name).collect();
        panel(&mut svg, 30.0 + PANEL * number as f64, row, &own);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where things of one row are drawn.
#[derive(Clone, Copy)]
struct Scale {
    /// The line that time runs along.
    base: f64,
    /// All of that time, milliseconds.
    whole: f64,
}

impl Scale {
    const RIGHT: f64 = WIDTH - 20.0;

    fn x(self, at: u64) -> f64 {
        LEFT + (Scale::RIGHT - LEFT) * at as f64 / self.whole
    }

    fn y(self, ms: f64) -> f64 {
        self.base - PLOT * (ms.max(1.0).log10() / DECADES).min(1.0)
    }
}

fn panel(svg: &mut String, top: f64, row: &Row, parts: &[&Part]) {
    let whole = parts.iter().map(|part| span(part)).sum::<u64>().max(1) as f64;
    let scale = Scale { base: top + 20.0 + PLOT, whole };
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.0}\"><tspan font-weight=\"bold\">{}</tspan> {} faults, {} of {} calls lost, \
         {:.0} / {:.0} / {:.0} ms (goal {:.0})</text>",
        top + 12.0,
        row.name,
        row.faults,
        row.calls_lost,
        row.calls_made,
        row.gap_p50_ms,
        row.gap_p99_ms,
        row.gap_max_ms,
        row.goal_p99_ms
    );
    rule(svg, scale, row.goal_p99_ms);
    draw_parts(svg, scale, parts);
}

/// Lines at each decade, and at the goal.
fn rule(svg: &mut String, scale: Scale, goal_ms: f64) {
    let right = Scale::RIGHT;
    for ms in [1.0, 10.0, 100.0, 1000.0, 10_000.0] {
        let at = scale.y(ms);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{ms}</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<path d=\"M{LEFT} {0:.1}H{right}\" stroke=\"#2a2\" stroke-dasharray=\"6 4\"/>\
         <text x=\"{right}\" y=\"{1:.0}\" text-anchor=\"end\">{2:.0} s</text>",
        scale.y(goal_ms),
        scale.base + 16.0,
        scale.whole / 1e3
    );
}

/// Faults as marks, silences as dots, lost calls as crosses.
fn draw_parts(svg: &mut String, scale: Scale, parts: &[&Part]) {
    let (mut marks, mut dots, mut lost, mut before) = (String::new(), BTreeSet::new(), String::new(), 0);
    for part in parts {
        for struck in &part.faults {
            let _ = write!(marks, "M{:.1} {}v7", scale.x(before + struck.at), scale.base);
            let place =
                |(at, ms): &(u64, f64)| (scale.x(before + at).round() as i64, scale.y(*ms).round() as i64);
            dots.extend(struck.silences.iter().map(place));
        }
        for it in &part.lost {
            let at = scale.x(before + it.at) - 3.0;
            let _ = write!(lost, "M{at:.1} {:.1}l6 6m0 -6l-6 6", scale.base - PLOT - 2.0);
        }
        before += span(part);
    }
    let dots = dots.iter().fold(String::new(), |mut path, (x, y)| {
        let _ = write!(path, "M{x} {y}h0");
        path
    });
    let _ = writeln!(
        svg,
        "<path d=\"{marks}\" stroke=\"#c22\" stroke-width=\"1.5\"/>\n\
         <path d=\"{dots}\" stroke=\"#26c\" stroke-width=\"2.5\" stroke-linecap=\"round\"/>\n\
         <path d=\"{lost}\" stroke=\"#c22\" stroke-width=\"2\" fill=\"none\"/>"
    );
}

/// How long a part lasted, milliseconds, as far as something is drawn of it.
fn span(part: &Part) -> u64 {
    let struck = part.faults.iter().flat_map(|struck| struck.silences.iter().map(|(at, _)| *at));
    struck.chain(part.lost.iter().map(|lost| lost.at)).max().unwrap_or(0) + 2000
}
