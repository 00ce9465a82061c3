//! Plots as SVG that stands in a page: its ink is the colour of the page's text, so that it can be read in the dark too.

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use plotters::prelude::*;

use super::{
    summary::{Summary, exact, quantile_ms},
    table::outcomes_seen,
};
use crate::burst::measure::Outcome;

const SIZE: (u32, u32) = (860, 320);
const FONT: &str = "sans-serif";
const FONT_PIXELS: i32 = 16;
/// What is drawn with it takes the colour of the text around; no other colour here is the same.
const INK: RGBColor = RGBColor(1, 2, 3);
const INK_IN_SVG: &str = "\"#010203\"";
const GRID_OPACITY: f64 = 0.12;
const AXIS_OPACITY: f64 = 0.5;
/// Points of a curve of percentiles for each nine.
const POINTS_PER_NINE: i32 = 20;
/// The most nines that are drawn.
const NINES_MAX: i32 = 5;
/// The least that is drawn: latencies are kept in microseconds.
const MS_MIN: f64 = 1e-3;
/// Room for half of the last label.
const MARGIN_RIGHT: i32 = 40;
/// Up to so many points are marked, so that one without neighbours is seen.
const MARKED_MAX: usize = 60;
const MARK_PIXELS: i32 = 3;
const TICKS: usize = 8;
/// One, two and five of each power of ten, from microseconds to minutes.
const TICKS_LOGARITHMIC: usize = 27;

/// The colour of an outcome: one that is seen on white and on black.
pub(super) const fn colour(outcome: Outcome) -> RGBColor {
    match outcome {
        Outcome::Confirmed => RGBColor(46, 160, 67),
        Outcome::Accepted => RGBColor(56, 139, 253),
        Outcome::SoldOut => RGBColor(219, 138, 30),
        Outcome::SoldOutAtEdge => RGBColor(176, 136, 0),
        Outcome::Done => RGBColor(130, 110, 220),
        Outcome::Refused => RGBColor(200, 90, 160),
        Outcome::Failed => RGBColor(230, 70, 60),
    }
}

/// The same as CSS writes it.
pub(super) fn css_colour(outcome: Outcome) -> String {
    let RGBColor(red, green, blue) = colour(outcome);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Answers in each second, a curve for each outcome.
pub(super) fn throughput(summary: &Summary) -> Result<String> {
    let seconds = summary.seconds();
    let counts = seconds.iter().flatten().copied();
    let most = counts.max().unwrap_or(0).max(1);
    let length = exact(seconds.len().max(2) as u64 - 1);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(10)
            .margin_right(MARGIN_RIGHT)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..length, 0.0..exact(most) * 1.05)
            .map_err(not_drawn)?;
        chart
            .configure_mesh()
            .label_style(ink_text())
            .axis_style(INK.mix(AXIS_OPACITY))
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(GRID_OPACITY))
            .x_labels(TICKS)
            .y_labels(TICKS)
            .x_desc("second")
            .y_desc("answers")
            .x_label_formatter(&|second| format!("{second:.0}"))
            .y_label_formatter(&|count| format!("{count:.0}"))
            .draw()
            .map_err(not_drawn)?;
        for outcome in outcomes_seen(summary) {
            let points = seconds.iter().enumerate();
            let points = points
                .map(|(number, second)| (exact(number as u64), exact(second[outcome as usize])));
            let line = LineSeries::new(points.clone(), colour(outcome).stroke_width(2));
            chart.draw_series(line).map_err(not_drawn)?;
            if seconds.len() <= MARKED_MAX {
                let mark = |at| Circle::new(at, MARK_PIXELS, colour(outcome).filled());
                chart.draw_series(points.map(mark)).map_err(not_drawn)?;
            }
        }
        root.present().map_err(not_drawn)?;
    }
    Ok(with_ink(svg))
}

/// Latency by percentile, a curve for each outcome of orders: each step to the right leaves out nine tenths of what is
/// left.
pub(super) fn percentiles(summary: &Summary) -> Result<String> {
    let rows = summary.rows();
    let rows: Vec<_> = rows
        .iter()
        .filter(|row| Outcome::OF_ANSWERED_ORDERS.contains(&row.outcome))
        .collect();
    let largest = rows.iter().map(|row| quantile_ms(row.latency_us, 1.0));
    let largest = largest.fold(1.0, f64::max);
    let smallest = rows.iter().map(|row| quantile_ms(row.latency_us, 0.0));
    let smallest = smallest.fold(largest, f64::min).max(MS_MIN);
    let (lowest, highest) = (smallest * 0.8, largest * 1.2);
    let nines = rows.iter().map(|row| nines_of(row.latency_us));
    let nines = nines.max().unwrap_or(1);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(10)
            .margin_right(MARGIN_RIGHT)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(
                (1.0..10_f64.powi(nines))
                    .log_scale()
                    .with_key_points(ticks_of_percentiles(nines)),
                (lowest..highest)
                    .log_scale()
                    .with_key_points(ticks_of_milliseconds(lowest, highest)),
            )
            .map_err(not_drawn)?;
        chart
            .configure_mesh()
            .label_style(ink_text())
            .axis_style(INK.mix(AXIS_OPACITY))
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(GRID_OPACITY))
            .x_labels(TICKS)
            .y_labels(TICKS_LOGARITHMIC)
            .x_desc("percentile")
            .y_desc("ms")
            .x_label_formatter(&|one_of| percentile(*one_of))
            .y_label_formatter(&|ms| milliseconds(*ms))
            .draw()
            .map_err(not_drawn)?;
        for row in rows {
            let style = colour(row.outcome).stroke_width(2);
            chart
                .draw_series(LineSeries::new(curve(row.latency_us), style))
                .map_err(not_drawn)?;
        }
        root.present().map_err(not_drawn)?;
    }
    Ok(with_ink(svg))
}

/// So many nines that one of the values is beyond.
fn nines_of(latency_us: &Histogram<u64>) -> i32 {
    let nines = latency_us.len().max(10).ilog10();
    i32::try_from(nines).unwrap_or(NINES_MAX).min(NINES_MAX)
}

/// 0 %, 50 %, and from there a nine more each: as one of so many that are slower.
fn ticks_of_percentiles(nines: i32) -> Vec<f64> {
    let nines = (1..=nines).map(|nine| 10_f64.powi(nine));
    [1.0, 2.0].into_iter().chain(nines).collect()
}

fn ticks_of_milliseconds(lowest: f64, highest: f64) -> Vec<f64> {
    let powers = (-3..6).map(|power| 10_f64.powi(power));
    let ticks = powers.flat_map(|power| [power, 2.0 * power, 5.0 * power]);
    let ticks = ticks.filter(|tick| (lowest..highest).contains(tick));
    ticks.collect()
}

/// Latencies in milliseconds, and one of how many is slower.
fn curve(latency_us: &Histogram<u64>) -> Vec<(f64, f64)> {
    let steps = nines_of(latency_us) * POINTS_PER_NINE;
    (0..=steps)
        .map(|step| {
            let one_of = 10_f64.powf(f64::from(step) / f64::from(POINTS_PER_NINE));
            let ms = quantile_ms(latency_us, 1.0 - 1.0 / one_of);
            (one_of, ms.max(MS_MIN))
        })
        .collect()
}

/// One of 1, 10 and 100 are 0 %, 90 % and 99 %.
fn percentile(one_of: f64) -> String {
    let text = format!("{:.3}", 100.0 * (1.0 - 1.0 / one_of));
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn milliseconds(ms: f64) -> String {
    let text = format!("{ms:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn ink_text() -> TextStyle<'static> {
    (FONT, FONT_PIXELS).into_font().color(&INK)
}

/// The ink is the colour of the text around it.
fn with_ink(svg: String) -> String {
    svg.replace(INK_IN_SVG, "\"currentColor\"")
}

fn not_drawn(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a plot cannot be drawn: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::burst::report::summary::tests::summary;

    #[test]
    fn percentiles_have_a_step_for_each_nine() {
        let labels: Vec<String> = ticks_of_percentiles(5)
            .into_iter()
            .map(percentile)
            .collect();
        assert_eq!(
            labels,
            [
                "0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"
            ]
        );
        let mut latency_us = Histogram::<u64>::new(3).unwrap();
        for value in 1..=1_000 {
            latency_us.record(value * 1_000).unwrap();
        }
        assert_eq!(nines_of(&latency_us), 3);
        let curve = curve(&latency_us);
        assert_eq!(curve.len(), 61);
        let (one_of, ms) = curve[20];
        assert!(
            (one_of - 10.0).abs() < 1e-9 && (899.0..902.0).contains(&ms),
            "{ms}"
        );
    }

    #[test]
    fn plots_are_drawn_in_the_colour_of_the_text() {
        let summary = summary("", &[]);
        for svg in [
            throughput(&summary).unwrap(),
            percentiles(&summary).unwrap(),
        ] {
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
            assert!(svg.contains("\"currentColor\""), "{svg}");
            assert!(
                !svg.contains(INK_IN_SVG) && !svg.contains("#000000"),
                "{svg}"
            );
            assert!(
                svg.contains("#2EA043"),
                "a curve of confirmed orders: {svg}"
            );
        }
    }
}
