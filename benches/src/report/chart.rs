//! Charts as SVG, one below the other: throughput and latency over time with a line for each run and what was done to it,
//! and what ranges cost by their number.

use plotters::prelude::*;

use super::{Mark, Row, Series};
use crate::driver::{SLOT, Slot};
use crate::error::BenchError;

const WIDTH: u32 = 1_000;
/// Of each chart.
const HEIGHT: u32 = 400;
/// Space for the numbers of an axis.
const AXIS_WIDTH: u32 = 80;
const AXIS_HEIGHT: u32 = 40;
/// Head room above the highest point.
const HEAD_ROOM: f64 = 1.1;
/// Room for the lines' names to the right of the last point.
const NAMES_ROOM: f64 = 1.3;
/// Radius of a point that was measured by itself.
const DOT: u32 = 3;
/// Marks must not hide the lines.
const MARK_OPACITY: f64 = 0.5;

/// One chart.
struct Chart {
    title: &'static str,
    x: &'static str,
    y: &'static str,
    /// Points are shown besides the lines between them.
    has_dots: bool,
    lines: Vec<Line>,
}

/// What one run has shown.
struct Line {
    name: String,
    /// `None` interrupts the line.
    points: Vec<Option<(f64, f64)>>,
    /// Moments at which something was done to it.
    marks: Vec<Mark>,
}

/// All charts of a report as a file's text.
///
/// # Errors
/// The library could not draw it.
pub fn render(series: &[Series], rows: &[Row]) -> Result<String, BenchError> {
    let mut charts = by_ranges(rows);
    if charts.is_empty() {
        charts = over_time(series).into();
    }
    let mut text = String::new();
    draw(&charts, &mut text).map_err(BenchError::Chart)?;
    text.push('\n');
    Ok(text)
}

/// A slot in which nothing ended has no latency, and interrupts that line; its throughput is 0.
fn over_time(series: &[Series]) -> [Chart; 2] {
    let lines = |value: fn(&Slot) -> Option<f64>| -> Vec<Line> {
        let point = |slot: &Slot| Some((slot.at.as_secs_f64(), value(slot)?));
        let line = |series: &Series| Line {
            name: series.name.clone(),
            points: series.slots.iter().map(point).collect(),
            marks: series.marks.clone(),
        };
        series.iter().map(line).collect()
    };
    let chart = |title, y, lines| Chart { title, x: "seconds", y, has_dots: false, lines };
    [
        chart(
            "Throughput",
            "operations a second",
            lines(|slot| Some(slot.count as f64 / SLOT.as_secs_f64())),
        ),
        chart(
            "Latency, 99th percentile",
            "milliseconds",
            lines(|slot| (slot.count > 0).then_some(slot.p99_us / 1e3)),
        ),
    ]
}

/// What `ranges` has found, which has no course over time; none where it did not run.
fn by_ranges(rows: &[Row]) -> Vec<Chart> {
    let value = |row: &Row, name| row.more.iter().find(|(of, _)| *of == name).map(|(_, value)| *value);
    let chart = |(title, y, name)| {
        let point = |row: &Row| Some((value(row, "ranges")?, value(row, name)?));
        let points = rows.iter().map(point).filter(Option::is_some).collect();
        let line = Line { name: "quorate, mean of the nodes".to_owned(), points, marks: Vec::new() };
        Chart { title, x: "idle ranges", y, has_dots: true, lines: vec![line] }
    };
    let charts = [
        ("Memory", "MiB", "memory_mib_per_node"),
        ("Processor time", "cores", "cores_per_node"),
        ("Time to start", "seconds", "start_seconds"),
    ];
    let is_measured = |chart: &Chart| chart.lines.iter().any(|line| !line.points.is_empty());
    charts.map(chart).into_iter().filter(is_measured).collect()
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Context<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

fn words(error: DrawingAreaErrorKind<std::io::Error>) -> String {
    error.to_string()
}

fn draw(charts: &[Chart], text: &mut String) -> Result<(), String> {
    let count = u32::try_from(charts.len()).unwrap_or(1).max(1);
    let root = SVGBackend::with_string(text, (WIDTH, HEIGHT * count)).into_drawing_area();
    root.fill(&WHITE).map_err(words)?;
    for (area, chart) in root.split_evenly((charts.len().max(1), 1)).iter().zip(charts) {
        draw_one(area, chart)?;
    }
    root.present().map_err(words)
}

fn draw_one(area: &Area<'_>, chart: &Chart) -> Result<(), String> {
    let points = || chart.lines.iter().flat_map(|line| line.points.iter().flatten());
    let longest = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let highest = points().map(|(_, y)| *y).fold(f64::MIN_POSITIVE, f64::max) * HEAD_ROOM;
    let mut context = ChartBuilder::on(area)
        .caption(chart.title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(AXIS_HEIGHT)
        .y_label_area_size(AXIS_WIDTH)
        .build_cartesian_2d(0.0..longest * NAMES_ROOM, 0.0..highest)
        .map_err(words)?;
    context.configure_mesh().x_desc(chart.x).y_desc(chart.y).draw().map_err(words)?;
    for (index, line) in chart.lines.iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        draw_line(&mut context, line, (colour, chart.has_dots))?;
        draw_marks(&mut context, line, (colour.mix(MARK_OPACITY), highest))?;
    }
    context
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()
        .map_err(words)
}

/// A line through all points, interrupted where it is; a point between two interruptions is a dot.
fn draw_line(
    context: &mut Context<'_, '_>,
    line: &Line,
    (colour, has_dots): (RGBAColor, bool),
) -> Result<(), String> {
    for (index, part) in line.points.split(Option::is_none).enumerate() {
        let points = LineSeries::new(part.iter().flatten().copied(), colour.filled());
        let is_dotted = has_dots || part.len() == 1;
        let drawn = context.draw_series(points.point_size(if is_dotted { DOT } else { 0 })).map_err(words)?;
        if index == 0 {
            let across = move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour);
            drawn.label(&line.name).legend(across);
        }
    }
    Ok(())
}

/// A line from the bottom to the top at each mark, in the colour of the run that it belongs to.
fn draw_marks(
    context: &mut Context<'_, '_>,
    line: &Line,
    (colour, highest): (RGBAColor, f64),
) -> Result<(), String> {
    for (index, mark) in line.marks.iter().enumerate() {
        let x = mark.at.as_secs_f64();
        let upright = PathElement::new(vec![(x, 0.0), (x, highest)], colour);
        let drawn = context.draw_series([upright]).map_err(words)?;
        if index == 0 {
            let up = move |(x, y)| PathElement::new(vec![(x + 8, y - 5), (x + 8, y + 5)], colour);
            drawn.label(format!("{}: {}", line.name, mark.what)).legend(up);
        }
    }
    Ok(())
}
