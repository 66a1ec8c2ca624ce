//! Throughput and latency over time, as SVG: two charts, one below the other, a line for each run.

use plotters::prelude::*;

use super::Series;
use crate::driver::SLOT;
use crate::error::BenchError;

const WIDTH: u32 = 1_000;
const HEIGHT: u32 = 800;
/// Space for the numbers of an axis.
const AXIS_WIDTH: u32 = 80;
const AXIS_HEIGHT: u32 = 40;
/// Head room above the highest point.
const HEAD_ROOM: f64 = 1.1;

/// One of the two charts.
struct Chart {
    title: &'static str,
    unit: &'static str,
    value: fn(&crate::driver::Slot) -> f64,
}

const CHARTS: [Chart; 2] = [
    Chart {
        title: "Throughput",
        unit: "operations a second",
        value: |slot| slot.count as f64 / SLOT.as_secs_f64(),
    },
    Chart { title: "Latency, 99th percentile", unit: "milliseconds", value: |slot| slot.p99_us / 1e3 },
];

/// The chart as a file's text.
///
/// # Errors
/// The library could not draw it.
pub fn render(series: &[Series]) -> Result<String, BenchError> {
    let mut text = String::new();
    draw(series, &mut text).map_err(BenchError::Chart)?;
    text.push('\n');
    Ok(text)
}

fn draw(series: &[Series], text: &mut String) -> Result<(), String> {
    let root = SVGBackend::with_string(text, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE).map_err(|error| error.to_string())?;
    for (area, chart) in root.split_evenly((2, 1)).iter().zip(&CHARTS) {
        draw_one(area, chart, series)?;
    }
    root.present().map_err(|error| error.to_string())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw_one(area: &Area<'_>, chart: &Chart, series: &[Series]) -> Result<(), String> {
    let words = |error: DrawingAreaErrorKind<std::io::Error>| error.to_string();
    let slots = || series.iter().flat_map(|series| &series.slots);
    let seconds = slots().map(|slot| slot.at.as_secs_f64()).fold(1.0, f64::max);
    let highest = slots().map(chart.value).fold(f64::MIN_POSITIVE, f64::max) * HEAD_ROOM;
    let mut context = ChartBuilder::on(area)
        .caption(chart.title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(AXIS_HEIGHT)
        .y_label_area_size(AXIS_WIDTH)
        .build_cartesian_2d(0.0..seconds, 0.0..highest)
        .map_err(words)?;
    context.configure_mesh().x_desc("seconds").y_desc(chart.unit).draw().map_err(words)?;
    for (index, line) in series.iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        let points = line.slots.iter().map(|slot| (slot.at.as_secs_f64(), (chart.value)(slot)));
        let drawn = context.draw_series(LineSeries::new(points, &colour)).map_err(words)?;
        drawn.label(&line.name).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour));
    }
    context
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()
        .map_err(words)
}
