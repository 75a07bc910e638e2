//! Which dots a scatter has: one for each small cell of time and latency in which anything lies.
//!
//! Memory does not depend on the number of operations, nothing is left to chance, and an outlier
//! never disappears: only dots that would lie upon each other become one.

use perjury_history::Nanos;

use super::record::Kind;

/// Cells in time.
const COLUMNS: usize = 880;
/// Cells of a decade of latency, and decades, from 10^2 ns on.
const ROWS_OF_DECADE: usize = 64;
const DECADES: usize = 10;
const ROWS: usize = ROWS_OF_DECADE * DECADES;
const LOWEST: f64 = 2.0;
/// How many dots are drawn at the most; with more, cells are joined.
const MOST_DOTS: usize = 15_000;

/// The cells in which something lies, by [`Kind`].
#[derive(Debug, Default)]
pub struct Grid {
    span: Nanos,
    cells: [Vec<bool>; 3],
}

/// The dots of a scatter.
#[derive(Debug)]
pub struct Dots {
    /// The dots by [`Kind`]: place in time from 0 to 1, and the logarithm of the latency in
    /// nanoseconds.
    pub dots: [Vec<(f64, f64)>; 3],
    /// How many there are in all.
    pub count: u64,
}

impl Grid {
    /// An empty grid over a history of that length.
    pub fn new(span: Nanos) -> Grid {
        Grid { span, cells: Default::default() }
    }

    /// Adds an operation.
    pub fn add(&mut self, kind: Kind, start: Nanos, latency: Nanos) {
        let share = start as f64 / self.span.max(1) as f64;
        let column = ((share * COLUMNS as f64) as usize).min(COLUMNS - 1);
        let height = ((latency.max(1) as f64).log10() - LOWEST) * ROWS_OF_DECADE as f64;
        let row = (height.max(0.0) as usize).min(ROWS - 1);
        let cells = &mut self.cells[kind as usize];
        if cells.is_empty() {
            *cells = vec![false; COLUMNS * ROWS];
        }
        cells[column * ROWS + row] = true;
    }

    /// The dots to draw.
    pub fn dots(&self) -> Dots {
        let mut size = 1;
        loop {
            let dots = Kind::ALL.map(|kind| self.joined(kind, size));
            let count: usize = dots.iter().map(Vec::len).sum();
            if count <= MOST_DOTS {
                return Dots { dots, count: count as u64 };
            }
            size += 1;
        }
    }

    /// The occupied squares of `size` by `size` cells.
    fn joined(&self, kind: Kind, size: usize) -> Vec<(f64, f64)> {
        let cells = &self.cells[kind as usize];
        let mut dots = Vec::new();
        if cells.is_empty() {
            return dots;
        }
        for left in (0..COLUMNS).step_by(size) {
            for low in (0..ROWS).step_by(size) {
                let (right, high) = ((left + size).min(COLUMNS), (low + size).min(ROWS));
                let taken = (left..right)
                    .any(|column| cells[column * ROWS + low..column * ROWS + high].contains(&true));
                if taken {
                    let middle = |from: usize, to: usize| (from + to) as f64 / 2.0;
                    let x = middle(left, right) / COLUMNS as f64;
                    dots.push((x, LOWEST + middle(low, high) / ROWS_OF_DECADE as f64));
                }
            }
        }
        dots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_operations_become_few_dots_and_an_outlier_stays() {
        let mut grid = Grid::new(1_000_000);
        for at in 0..1_000_000u64 {
            grid.add(Kind::Ok, at, 1_000 + at * 7919 % 900_000_000);
        }
        grid.add(Kind::Ok, 500_000, 90_000_000_000);
        let dots = grid.dots();
        assert!(dots.count as usize <= MOST_DOTS);
        assert!(
            dots.dots[0].iter().any(|(x, y)| (x - 0.5).abs() < 0.02 && (y - 10.95).abs() < 0.1)
        );
        assert_eq!(grid.dots().dots, dots.dots);
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(Grid::new(0).dots().count, 0);
    }
}
