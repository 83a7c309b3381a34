//! The contents of a report, as blocks of text: headings, paragraphs, lists, tables,
//! commands. Knows nothing of Markdown or any other syntax, so nothing in it is escaped.

/// A piece of text in one style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Words.
    Plain(String),
    /// A name or value, exactly as it is typed.
    Code(String),
    /// Words that must not be overlooked.
    Strong(String),
    /// Words that lead to a heading (`#` and its [`anchor`]) or to another page.
    Link { words: String, to: String },
    /// The source of a fact, as the catalogue names it.
    Source(String),
}

impl Span {
    /// What is read of it.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Plain(words) | Self::Code(words) | Self::Strong(words) | Self::Source(words) => {
                words
            }
            Self::Link { words, .. } => words,
        }
    }
}

/// A name or value, exactly as it is typed.
pub(crate) fn code(of: impl std::fmt::Display) -> Span {
    Span::Code(of.to_string())
}

/// Words that must not be overlooked.
pub(crate) fn strong(of: impl std::fmt::Display) -> Span {
    Span::Strong(of.to_string())
}

/// Words that lead somewhere.
pub(crate) fn link(words: impl std::fmt::Display, to: impl Into<String>) -> Span {
    Span::Link {
        words: words.to_string(),
        to: to.into(),
    }
}

/// The source of a fact, as the catalogue names it.
pub(crate) fn source(name: &str) -> Span {
    Span::Source(name.to_owned())
}

/// What a heading is linked by, as GitHub makes it: lower case, hyphens for spaces, and of
/// signs only hyphens and underscores.
pub(crate) fn anchor(heading: &Text) -> String {
    let words = heading.spans().iter().flat_map(|span| span.words().chars());
    let kept = words.filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c => c.is_alphanumeric().then_some(c),
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// A line of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(Vec<Span>);

impl Text {
    pub(crate) fn push(&mut self, more: impl Into<Self>) {
        self.0.extend(more.into().0);
    }

    pub(crate) fn spans(&self) -> &[Span] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|span| match span {
            Span::Code(_) => false,
            other => other.words().is_empty(),
        })
    }

    /// Puts the texts one after another.
    pub(crate) fn join(texts: impl IntoIterator<Item = Self>, separator: &str) -> Self {
        let mut joined = Self::default();
        for text in texts {
            if !joined.is_empty() {
                joined.push(separator);
            }
            joined.push(text);
        }
        joined
    }
}

impl From<Span> for Text {
    fn from(span: Span) -> Self {
        Self(vec![span])
    }
}

impl From<String> for Text {
    fn from(words: String) -> Self {
        Self(vec![Span::Plain(words)])
    }
}

impl From<&str> for Text {
    fn from(words: &str) -> Self {
        Self::from(words.to_owned())
    }
}

impl From<u64> for Text {
    fn from(number: u64) -> Self {
        Self::from(number.to_string())
    }
}

/// One [`Text`] of words, spans, numbers and other texts.
macro_rules! text {
    ($($part:expr),* $(,)?) => {{
        let mut text = $crate::document::Text::default();
        $(text.push($part);)*
        text
    }};
}
pub(crate) use text;

/// An entry of a list, with its points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) text: Text,
    pub(crate) points: Vec<Text>,
}

impl Item {
    pub(crate) fn new(text: impl Into<Text>) -> Self {
        Self {
            text: text.into(),
            points: Vec::new(),
        }
    }

    pub(crate) fn point(mut self, point: impl Into<Text>) -> Self {
        self.points.push(point.into());
        self
    }
}

/// Rows under a head. Every row has as many cells as the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    head: Vec<Text>,
    rows: Vec<Vec<Text>>,
}

impl Table {
    pub(crate) fn new(head: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        Self {
            head: head.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, filled up with empty cells or cut to the head's width.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Text>) {
        let mut cells: Vec<Text> = cells.into_iter().collect();
        cells.resize(self.head.len(), Text::default());
        self.rows.push(cells);
    }

    pub(crate) fn head(&self) -> &[Text] {
        &self.head
    }

    pub(crate) fn rows(&self) -> &[Vec<Text>] {
        &self.rows
    }
}

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// The level is 1 for the title.
    Heading(u8, Text),
    Paragraph(Text),
    List(Vec<Item>),
    Table(Table),
    /// Lines for a shell.
    Commands(Vec<String>),
    /// What is seen only when its title is opened.
    Folded(Text, Document),
}

/// A whole report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Document {
    blocks: Vec<Block>,
}

impl Document {
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub(crate) fn heading(&mut self, level: u8, text: impl Into<Text>) {
        self.blocks.push(Block::Heading(level, text.into()));
    }

    pub(crate) fn paragraph(&mut self, text: impl Into<Text>) {
        self.blocks.push(Block::Paragraph(text.into()));
    }

    /// A list, or nothing where there is no item.
    pub(crate) fn list(&mut self, items: Vec<Item>) {
        if !items.is_empty() {
            self.blocks.push(Block::List(items));
        }
    }

    /// A table, or nothing where there is no row.
    pub(crate) fn table(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.blocks.push(Block::Table(table));
        }
    }

    pub(crate) fn commands(&mut self, lines: Vec<String>) {
        self.blocks.push(Block::Commands(lines));
    }

    /// Something folded, or nothing where there is nothing in it.
    pub(crate) fn folded(&mut self, title: impl Into<Text>, inner: Self) {
        if !inner.blocks.is_empty() {
            self.blocks.push(Block::Folded(title.into(), inner));
        }
    }

    /// The other's blocks behind its own.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.blocks.append(&mut other.blocks);
    }
}
