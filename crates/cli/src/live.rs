//! Lines at the end of a terminal that change in place, whatever width it is
//! given meanwhile. Pure: text in, text with control sequences out.

/// The lines that are drawn.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Characters of each line.
    drawn: Vec<usize>,
}

impl Live {
    /// The control sequences that erase the drawn lines.
    pub(crate) fn erase(&mut self, columns: usize) -> String {
        self.draw(&[], columns, 0)
    }

    /// Draws lines in the place of those before, each cut to one row. On a
    /// terminal that has become narrower, each of these may stand on several.
    ///
    /// Rows are cleared one by one: some terminals keep what is cleared from
    /// their first row on, for a user who scrolls back.
    pub(crate) fn draw(&mut self, lines: &[String], columns: usize, rows: usize) -> String {
        let before: usize = std::mem::take(&mut self.drawn)
            .into_iter()
            .map(|chars| chars.div_ceil(columns.max(1)).max(1))
            .sum();
        // Up, and to the end of the line: ECMA-48, CPL and EL.
        let mut out = up(before);
        // The last row of the terminal is the cursor's.
        for line in lines.iter().take(rows.saturating_sub(1)) {
            let line = cut(line, columns.saturating_sub(1));
            self.drawn.push(line.chars().count());
            out.push_str(&line);
            out.push_str("\x1b[K\n");
        }
        let left = before.saturating_sub(self.drawn.len());
        out.push_str(&"\x1b[K\n".repeat(left));
        out.push_str(&up(left));
        out
    }
}

fn up(rows: usize) -> String {
    match rows {
        0 => String::new(),
        rows => format!("\x1b[{rows}F"),
    }
}

fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.trim_end().to_owned();
    }
    let mut cut: String = line.chars().take(columns.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_to_the_terminal_and_taken_away_after_it_became_narrower() {
        let mut live = Live::default();
        let lines = ["a".repeat(100), "b".to_owned()];
        let drawn = live.draw(&lines, 61, 24);
        assert_eq!(drawn, format!("{}…\x1b[K\nb\x1b[K\n", "a".repeat(59)));
        // 60 characters stand on two rows of 40, and the other line on one.
        let cleared = "\x1b[K\n".repeat(2);
        let drawn = live.draw(&["c".to_owned()], 40, 24);
        assert_eq!(drawn, format!("\x1b[3Fc\x1b[K\n{cleared}\x1b[2F"));
        assert_eq!(live.erase(40), "\x1b[1F\x1b[K\n\x1b[1F");
        assert_eq!(live.erase(40), "");
    }

    #[test]
    fn no_more_lines_are_drawn_than_there_are_rows() {
        let mut live = Live::default();
        let lines: Vec<String> = (0..9).map(|it| it.to_string()).collect();
        assert_eq!(live.draw(&lines, 80, 4), "0\x1b[K\n1\x1b[K\n2\x1b[K\n");
    }
}
