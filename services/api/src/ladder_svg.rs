//! A ladder as a picture: a column for each party, time going down, an arrow for each message.

use std::fmt::Write as _;

use crate::view::{LadderView, RungView};

const US: &str = "strowger";
const LEFT: usize = 120;
const COLUMN: usize = 300;
const TOP: usize = 92;
const ROW: usize = 40;
const FONT: &str = "ui-sans-serif, system-ui, 'DejaVu Sans', Arial, sans-serif";

/// Draws the ladder. Each arrow shows its whole message to who points at it.
pub(crate) fn draw(ladder: &LadderView) -> String {
    let columns = columns(&ladder.rungs);
    let width = LEFT + columns.len() * COLUMN;
    let height = TOP + ladder.rungs.len() * ROW + 28;
    let mut page = String::with_capacity(4096 + ladder.rungs.len() * 2048);
    let title = match ladder.rungs.first() {
        Some(first) => format!("Call {} — {}", ladder.call, first.at),
        None => format!("Call {}", ladder.call),
    };
    head(&mut page, &title, (width, height));
    for (number, column) in columns.iter().enumerate() {
        lifeline(&mut page, column, x(number), height);
    }
    for (number, rung) in ladder.rungs.iter().enumerate() {
        arrow(&mut page, rung, &columns, TOP + number * ROW + 30);
    }
    page.push_str("</svg>\n");
    page
}

/// The caller, we, and whoever else took part, in order of appearance.
fn columns(rungs: &[RungView]) -> Vec<&str> {
    let mut columns: Vec<&str> = Vec::new();
    for rung in rungs {
        if !columns.contains(&rung.party.as_str()) {
            columns.push(&rung.party);
        }
    }
    columns.insert(columns.len().min(1), US);
    columns
}

fn x(column: usize) -> usize {
    LEFT + column * COLUMN + COLUMN / 2
}

fn head(page: &mut String, title: &str, (width, height): (usize, usize)) {
    let title = escape(title);
    let _ = write!(
        page,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{title}" font-family="{FONT}" font-size="13">
<style>
  .life {{ stroke: #cbd5e1; stroke-width: 1.5; stroke-dasharray: 4 4 }}
  .box {{ fill: #f1f5f9; stroke: #94a3b8 }}
  .us {{ fill: #dbeafe; stroke: #3b82f6 }}
  .name {{ font-weight: 600; fill: #0f172a; text-anchor: middle }}
  .time {{ fill: #64748b; text-anchor: end; font-variant-numeric: tabular-nums }}
  .label {{ fill: #0f172a; text-anchor: middle; paint-order: stroke; stroke: #ffffff; stroke-width: 4px }}
  .sdp {{ fill: #7c3aed; font-size: 11px }}
  .request {{ stroke: #1d4ed8 }} .provisional {{ stroke: #64748b }} .success {{ stroke: #15803d }} .failure {{ stroke: #b91c1c }}
  .arrow {{ stroke-width: 1.8 }}
</style>
<defs>
"##
    );
    for (kind, color) in
        [("request", "#1d4ed8"), ("provisional", "#64748b"), ("success", "#15803d"), ("failure", "#b91c1c")]
    {
        let _ = writeln!(
            page,
            r#"<marker id="{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 10 5 0 10z" fill="{color}"/></marker>"#
        );
    }
    let _ = writeln!(
        page,
        r##"</defs>
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text x="16" y="26" font-size="15" font-weight="600" fill="#0f172a">{title}</text>"##
    );
}

fn lifeline(page: &mut String, name: &str, x: usize, height: usize) {
    let class = if name == US { "us" } else { "box" };
    let (left, wide) = (x - COLUMN / 2 + 14, COLUMN - 28);
    let _ = writeln!(
        page,
        r#"<line class="life" x1="{x}" y1="{TOP}" x2="{x}" y2="{}"/>
<rect class="{class}" x="{left}" y="44" width="{wide}" height="34" rx="6"/>
<text class="name" x="{x}" y="66">{}<title>{}</title></text>"#,
        height - 16,
        escape(&shorten(name, 32)),
        escape(name),
    );
}

fn arrow(page: &mut String, rung: &RungView, columns: &[&str], y: usize) {
    let place = |name: &str| x(columns.iter().position(|column| *column == name).unwrap_or(0));
    let (party, us) = (place(&rung.party), place(US));
    let (from, to) = if rung.to_us { (party, us) } else { (us, party) };
    // The arrow's head ends beside the line, not on it.
    let to = if from < to { to - 2 } else { to + 2 };
    let kind = kind(rung);
    let sdp = if rung.sdp { r#" <tspan class="sdp">SDP</tspan>"# } else { "" };
    let _ = writeln!(
        page,
        r#"<g><title>{}</title>
<text class="time" x="{}" y="{}">{:.3} s</text>
<line class="arrow {kind}" x1="{from}" y1="{y}" x2="{to}" y2="{y}" marker-end="url(#{kind})"/>
<text class="label" x="{}" y="{}">{}{sdp}</text></g>"#,
        escape(&rung.message),
        LEFT - 24,
        y + 4,
        rung.after_seconds,
        label_x(us, party),
        y - 7,
        escape(&shorten(&rung.label, 44)),
    );
}

/// A label stands beside our column on the party's side, so that arrows over several columns stay readable.
fn label_x(us: usize, party: usize) -> usize {
    if party < us { us - COLUMN / 2 } else { party - COLUMN / 2 }
}

fn kind(rung: &RungView) -> &'static str {
    match rung.status {
        None => "request",
        Some(100..=199) => "provisional",
        Some(200..=299) => "success",
        Some(_) => "failure",
    }
}

fn shorten(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

/// What XML can hold: no control characters, and none of its own signs.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(symbol),
            '\r' => {}
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            _ if symbol.is_control() => safe.push('\u{fffd}'),
            _ => safe.push(symbol),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::query::Rung;
    use machine::Moment;

    fn rung(ms: u64, party: &str, to_us: bool, start: &str, cseq: &str) -> Rung {
        let message = format!("{start}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n").into_bytes();
        Rung { at: Moment::from_micros(ms * 1000), party: party.into(), to_us, message }
    }

    fn ladder(rungs: Vec<Rung>) -> LadderView {
        LadderView::of("00000000000000ff".into(), rungs, Vec::new())
    }

    #[test]
    fn what_phones_write_cannot_break_the_picture() {
        let page = draw(&ladder(vec![
            rung(0, "<script>", true, "INVITE sip:a&b@x SIP/2.0", "1 INVITE"),
            rung(1, "<script>", false, "SIP/2.0 486 \"Busy\" <\u{1}>", "1 INVITE"),
        ]));
        assert!(!page.contains("<script>") && !page.contains('\u{1}'), "{page}");
        assert!(
            page.contains("&lt;script&gt;") && page.contains("486 &quot;Busy&quot; &lt;\u{fffd}&gt;"),
            "{page}"
        );
    }

    #[test]
    fn the_caller_is_left_of_us_and_the_callees_are_right() {
        let ladder = ladder(vec![
            rung(0, "caller", true, "INVITE sip:b@x SIP/2.0", "1 INVITE"),
            rung(1, "sip:b@1", false, "INVITE sip:b@1 SIP/2.0", "1 INVITE"),
            rung(2, "sip:b@2", false, "INVITE sip:b@2 SIP/2.0", "1 INVITE"),
        ]);
        assert_eq!(columns(&ladder.rungs), ["caller", US, "sip:b@1", "sip:b@2"]);
    }
}
