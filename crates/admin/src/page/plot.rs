//! A small plot of the last hour, and the same in words.

use maud::{Markup, html};

use crate::traffic::Minute;

/// A line of the plot.
struct Line {
    name: &'static str,
    class: &'static str,
    of: fn(&Minute) -> u64,
}

const LINES: [Line; 3] = [
    Line {
        name: "Messages accepted",
        class: "one",
        of: |minute| minute.accepted,
    },
    Line {
        name: "Refusals",
        class: "two",
        of: |minute| minute.refused,
    },
    Line {
        name: "Messages fetched",
        class: "three",
        of: |minute| minute.retrieved,
    },
];

const WIDTH: usize = 640;
const LEFT: usize = 8;
const HEIGHT: u64 = 44;
const ROW: u64 = 70;

/// Three rows of bars, one for each minute; a row is as high as its greatest minute.
pub(super) fn plot(minutes: &[Minute]) -> Markup {
    if minutes.is_empty() {
        return html! { p { "The first figures come after a minute." } };
    }
    let height = ROW * LINES.len() as u64;
    html! {
        figure {
            svg.plot viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                aria-labelledby="traffic-title traffic-words" {
                title #traffic-title { "Traffic of the last hour on this node" }
                @for (row, line) in (0..).zip(&LINES) {
                    (bars(row, line, minutes))
                }
            }
            figcaption #traffic-words { (words(minutes)) }
        }
    }
}

fn bars(row: u64, line: &Line, minutes: &[Minute]) -> Markup {
    let (total, most) = sums(line, minutes);
    let base = ROW * row + 20 + HEIGHT;
    let bars = minutes.iter().enumerate().filter_map(|(place, minute)| {
        let high = ((line.of)(minute) * HEIGHT).div_ceil(most.max(1));
        (high > 0).then_some((LEFT + place * 10, high))
    });
    html! {
        text x=(LEFT) y=(ROW * row + 14) {
            (line.name) ": " (total) ", at most " (most) " a minute"
        }
        line.base x1=(LEFT) x2=(LEFT + 600) y1=(base) y2=(base) {}
        @for (x, high) in bars {
            rect class=(line.class) x=(x) y=(base - high) width="8" height=(high) {}
        }
    }
}

fn sums(line: &Line, minutes: &[Minute]) -> (u64, u64) {
    let counts = minutes.iter().map(line.of);
    (counts.clone().sum(), counts.max().unwrap_or_default())
}

fn words(minutes: &[Minute]) -> String {
    let lines = LINES.iter().map(|line| {
        let (total, most) = sums(line, minutes);
        format!("{}: {total}, at most {most} in a minute.", line.name)
    });
    let lines: Vec<_> = lines.collect();
    let count = minutes.len();
    let span = match count {
        1 => "In the last minute".to_owned(),
        count => format!("In the last {count} minutes"),
    };
    format!("{span}, on this node. {}", lines.join(" "))
}
