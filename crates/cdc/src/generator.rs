//! The writer's input: changes with their numbers, keys and rows, derived from a seed.
//! Pure; knows nothing of how a change reaches the database.

use model::event::{Body, RowOp};
use model::ids::{ChangeId, RowKey, RunId, TxId};
use model::record::encode_change;

use crate::schema::Table;

/// Numbers changes and transactions, and draws rows.
#[derive(Debug)]
pub(crate) struct Generator {
    run: RunId,
    random: SplitMix,
    next_tx: u64,
    next_change: u64,
    /// Rows inserted so far, by table; keys are 1 to this.
    rows: [i64; Table::ALL.len()],
}

/// One change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) id: ChangeId,
    pub(crate) key: RowKey,
    pub(crate) row: Row,
    /// The mark that the row carries after this change.
    pub(crate) proof: String,
}

/// The operation of a change, with the columns it sets beside key and proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Video {
        title: String,
    },
    User {
        name: String,
    },
    Comment {
        video: RowKey,
        user: RowKey,
        body: String,
    },
    /// One comment more on a video that is there.
    Touch,
}

/// A comment cannot be drawn, because a table it refers to has no row yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a comment needs a row in {}, and there is none yet: let an earlier write insert one", .table.name())]
pub struct NoParent {
    /// The table without a row.
    pub table: Table,
}

impl Generator {
    pub(crate) fn new(run: RunId, seed: u64) -> Self {
        Self {
            run,
            random: SplitMix(seed),
            next_tx: 0,
            next_change: 0,
            rows: [0; Table::ALL.len()],
        }
    }

    /// The number of the next transaction.
    pub(crate) fn begin(&mut self) -> TxId {
        let tx = TxId::new(self.next_tx);
        self.next_tx += 1;
        tx
    }

    /// A new row.
    pub(crate) fn insert(&mut self, table: Table) -> Result<Change, NoParent> {
        let video = self.parent(table, Table::Videos);
        let user = self.parent(table, Table::Users);
        let rows = &mut self.rows[usize::from(table.ix().get())];
        let key = *rows + 1;
        let row = match table {
            Table::Videos => Row::Video {
                title: format!("video {key}"),
            },
            Table::Users => Row::User {
                name: format!("user {key}"),
            },
            Table::Comments => Row::Comment {
                video: video?,
                user: user?,
                body: format!("comment {key}"),
            },
        };
        *rows = key;
        Ok(self.change(RowKey::new(key), row))
    }

    /// One comment more on `video`.
    pub(crate) fn touch(&mut self, video: RowKey) -> Change {
        self.change(video, Row::Touch)
    }

    /// A row of `parent` for a row of `child` to refer to. Only comments draw,
    /// so that rows of other tables do not move the sequence.
    fn parent(&mut self, child: Table, parent: Table) -> Result<RowKey, NoParent> {
        let rows = self.rows[usize::from(parent.ix().get())];
        match (child, u64::try_from(rows)) {
            (Table::Comments, Ok(rows @ 1..)) => {
                let drawn = i64::try_from(self.random.below(rows)).unwrap_or(0);
                Ok(RowKey::new(drawn + 1))
            }
            _ => Err(NoParent { table: parent }),
        }
    }

    fn change(&mut self, key: RowKey, row: Row) -> Change {
        let id = ChangeId::new(self.next_change);
        self.next_change += 1;
        Change {
            id,
            key,
            row,
            proof: encode_change(self.run, id),
        }
    }
}

impl Change {
    /// The table whose row it changes.
    pub(crate) const fn table(&self) -> Table {
        match self.row {
            Row::Video { .. } | Row::Touch => Table::Videos,
            Row::User { .. } => Table::Users,
            Row::Comment { .. } => Table::Comments,
        }
    }

    /// The event that precedes it.
    pub(crate) fn invoked(&self, tx: TxId) -> Body {
        Body::ChangeInvoked {
            tx,
            change: self.id,
            table: self.table().ix(),
            key: self.key,
            op: match self.row {
                Row::Touch => RowOp::Update,
                Row::Video { .. } | Row::User { .. } | Row::Comment { .. } => RowOp::Insert,
            },
        }
    }
}

/// `SplitMix64`: small, seeded, and good enough to spread comments over
/// videos. (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators, 2014.)
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end` - 1; 0 where `end` is 0. The bias of the
    /// remainder is far below what a table of rows could show.
    fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use model::event::ChangeContent;
    use model::record::decode_change;
    use proptest::prelude::*;

    use super::*;

    const RUN: RunId = RunId::new(0xfeed);

    fn tables() -> impl Strategy<Value = Vec<Table>> {
        let table = prop::sample::select(Table::ALL.to_vec());
        prop::collection::vec(table, 0..60)
    }

    proptest! {
        #[test]
        fn changes_count_up_over_all_tables_and_keys_within_each(tables in tables(), seed: u64) {
            let mut generator = Generator::new(RUN, seed);
            let mut last_key = [0; 3];
            let mut made = Vec::new();
            for table in tables {
                if let Ok(change) = generator.insert(table) {
                    let last = &mut last_key[usize::from(table.ix().get())];
                    *last += 1;
                    prop_assert_eq!(change.key, RowKey::new(*last));
                    prop_assert_eq!(change.table(), table);
                    made.push(change);
                }
            }
            for (number, change) in (0..).zip(&made) {
                prop_assert_eq!(change.id, ChangeId::new(number));
                prop_assert_eq!(
                    decode_change(RUN, &change.proof),
                    ChangeContent::Ours(change.id)
                );
            }
        }

        #[test]
        fn a_comment_refers_to_rows_that_were_inserted_before_it(
            tables in tables(), seed: u64,
        ) {
            let mut generator = Generator::new(RUN, seed);
            let (mut videos, mut users) = (0, 0);
            for table in tables {
                match (table, generator.insert(table)) {
                    (Table::Videos, _) => videos += 1,
                    (Table::Users, _) => users += 1,
                    (Table::Comments, Err(NoParent { table })) => {
                        let missing = if videos == 0 { Table::Videos } else { Table::Users };
                        prop_assert_eq!(table, missing);
                        prop_assert!(videos == 0 || users == 0);
                    }
                    (Table::Comments, Ok(change)) => {
                        let Row::Comment { video, user, .. } = change.row else {
                            return Err(TestCaseError::fail("not a comment"));
                        };
                        prop_assert!((1..=videos).contains(&video.get()));
                        prop_assert!((1..=users).contains(&user.get()));
                    }
                }
            }
        }

        #[test]
        fn one_seed_draws_one_sequence(tables in tables(), seed: u64) {
            let draw = |seed| {
                let mut generator = Generator::new(RUN, seed);
                tables.iter().map(|table| generator.insert(*table)).collect::<Vec<_>>()
            };
            prop_assert_eq!(draw(seed), draw(seed));
        }
    }

    #[test]
    fn comments_reach_every_video() {
        let mut generator = Generator::new(RUN, 1);
        for table in [Table::Videos, Table::Videos, Table::Videos, Table::Users] {
            generator.insert(table).unwrap();
        }
        let videos: std::collections::BTreeSet<_> = (0..50)
            .filter_map(|_| match generator.insert(Table::Comments).unwrap().row {
                Row::Comment { video, .. } => Some(video),
                _ => None,
            })
            .collect();
        assert_eq!(videos.len(), 3);
    }

    #[test]
    fn a_touch_updates_the_video() {
        let mut generator = Generator::new(RUN, 1);
        let video = generator.insert(Table::Videos).unwrap();
        let touch = generator.touch(video.key);
        assert_eq!(touch.table(), Table::Videos);
        let Body::ChangeInvoked {
            change, key, op, ..
        } = touch.invoked(TxId::new(0))
        else {
            panic!("not a change");
        };
        assert_eq!(
            (change, key, op),
            (ChangeId::new(1), video.key, RowOp::Update)
        );
    }
}
