//! librdkafka's own properties, by its table (`make settings` writes it). Knows
//! nothing of the Java client's names.

use std::sync::LazyLock;

use super::RoleKind;

/// Name, whose it is (`P`, `C` or `*`), type, what it takes, default, what it
/// is another name of.
const TABLE: &str = include_str!("librdkafka.tsv");

static PROPERTIES: LazyLock<Vec<Property>> =
    LazyLock::new(|| TABLE.lines().filter_map(Property::read).collect());

/// One of librdkafka's properties.
#[derive(Clone, Copy, Debug)]
pub(super) struct Property {
    pub(super) name: &'static str,
    whose: &'static str,
    kind: &'static str,
    pub(super) takes: &'static str,
    alias_of: &'static str,
}

impl Property {
    fn read(line: &'static str) -> Option<Self> {
        let mut columns = line.split('\t');
        Some(Self {
            name: columns.next()?,
            whose: columns.next()?,
            kind: columns.next()?,
            takes: columns.next()?,
            alias_of: columns.nth(1)?,
        })
    }

    /// Whether it does something in such a client.
    pub(super) fn is_for(&self, kind: RoleKind) -> bool {
        match kind {
            RoleKind::Producer => self.whose != "C",
            RoleKind::Consumer => self.whose != "P",
        }
    }

    /// Whether it is given by a call, and not as a text.
    pub(super) fn is_a_call(&self) -> bool {
        self.kind == "see dedicated API"
    }
}

pub(super) fn find(name: &str) -> Option<&'static Property> {
    PROPERTIES.iter().find(|it| it.name == name)
}

/// Those that such a client can be given.
pub(super) fn of(kind: RoleKind) -> impl Iterator<Item = &'static Property> {
    PROPERTIES
        .iter()
        .filter(move |it| it.is_for(kind) && !it.is_a_call())
}

/// All names of a property.
pub(super) fn names(name: &str) -> impl Iterator<Item = &'static str> {
    let first = |it: &Property| match it.alias_of {
        "" => it.name,
        other => other,
    };
    let wanted = find(name).map(first);
    let all = PROPERTIES.iter();
    all.filter(move |it| Some(first(it)) == wanted)
        .map(|it| it.name)
}
