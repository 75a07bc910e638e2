//! Tables as Markdown that is also aligned text.

use std::path::Path;

use super::ScorecardError;

/// A table under construction.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Table {
        Table { rows: vec![head.iter().map(|word| (*word).to_owned()).collect()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        // A bar would end the cell.
        self.rows.push(cells.into_iter().map(|cell| cell.replace('|', "/")).collect());
    }

    /// Every cell as wide as its column.
    pub(super) fn markdown(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let columns = self.rows.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (at, row) in self.rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(&widths) {
                text += &format!("| {cell:<width$} ");
            }
            text += "|\n";
            if at == 0 {
                for width in &widths {
                    text += &format!("| {} ", "-".repeat(*width));
                }
                text += "|\n";
            }
        }
        text
    }
}

/// An error of the system about that file or folder.
pub(super) fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> ScorecardError {
    let path = path.to_owned();
    move |source| ScorecardError::File { path, source }
}
