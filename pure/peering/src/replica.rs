use std::collections::BTreeMap;

use machine::{Epoch, Key, Record, Shard, Tag};

use crate::Changed;

type Things = BTreeMap<(Tag, Key), Vec<u8>>;

/// What is known of one shard of another owner.
#[derive(Debug, Default)]
struct Copy {
    epoch: Epoch,
    /// The version of the view by which it was begun.
    by: u64,
    things: Things,
    is_whole: bool,
    /// The next copy, as long as it is not whole.
    coming: Option<(Epoch, Things)>,
}

impl Copy {
    fn change(&mut self, changed: Changed) {
        let (thing, epoch) = (changed.thing(), changed.epoch);
        if let Some((_, coming)) = self.coming.as_mut().filter(|(coming, _)| *coming == epoch) {
            put(coming, thing, changed.body.clone());
        }
        if epoch == self.epoch {
            put(&mut self.things, thing, changed.body);
        }
    }
}

fn put(things: &mut Things, thing: (Tag, Key), body: Vec<u8>) {
    match body.is_empty() {
        true => drop(things.remove(&thing)),
        false => drop(things.insert(thing, body)),
    }
}

/// All that is known of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What lives there.
    pub records: Vec<Record>,
    /// Whether that is all there was.
    pub is_whole: bool,
    /// Under which epoch its owner was heard last, if he ever was.
    pub heard: Option<Epoch>,
}

/// What a buddy knows of others' shards: the newest state of everything that lives there.
#[derive(Debug, Default)]
pub struct Replica {
    copies: BTreeMap<Shard, Copy>,
}

impl Replica {
    /// A copy of these shards begins, as somebody goes by a view of version `by`. What is known of them so far stays until
    /// the copy is whole.
    pub fn begin(&mut self, by: u64, shards: &[(Shard, Epoch)]) {
        for &(shard, epoch) in shards {
            let copy = self.copies.entry(shard).or_default();
            copy.by = copy.by.max(by);
            if epoch >= copy.epoch {
                copy.coming = Some((epoch, Things::new()));
            }
        }
    }

    /// Something changed.
    pub fn change(&mut self, changes: Vec<Changed>) {
        for changed in changes {
            if let Some(copy) = self.copies.get_mut(&changed.shard) {
                copy.change(changed);
            }
        }
    }

    /// The copy of these shards is whole.
    pub fn whole(&mut self, shards: &[(Shard, Epoch)]) {
        for (shard, epoch) in shards {
            let Some(copy) = self.copies.get_mut(shard) else { continue };
            if let Some((_, things)) = copy.coming.take_if(|(coming, _)| coming == epoch) {
                *copy = Copy { epoch: *epoch, by: copy.by, things, is_whole: true, coming: None };
            }
        }
    }

    /// Takes out all that is known of `shard`, to go on with it.
    pub fn take(&mut self, shard: Shard) -> Known {
        let Some(copy) = self.copies.remove(&shard) else { return Known::default() };
        let (mut things, mut epoch) = (copy.things, copy.epoch);
        if let Some((coming, more)) = copy.coming.filter(|_| !copy.is_whole) {
            things.extend(more);
            epoch = epoch.max(coming);
        }
        let record = |((tag, key), body)| Record { tag, shard, key, body };
        let records = things.into_iter().map(record).collect();
        Known { records, is_whole: copy.is_whole, heard: Some(epoch) }
    }

    /// All that is known of shards that are known whole and whose owners have changed since: `owner_epoch` says the newest.
    pub(crate) fn left_behind(&self, owner_epoch: impl Fn(Shard) -> Epoch) -> Vec<Changed> {
        let behind =
            self.copies.iter().filter(|(shard, copy)| copy.is_whole && owner_epoch(**shard) > copy.epoch);
        let things = behind.flat_map(|(&shard, copy)| {
            copy.things.iter().map(move |(&(tag, key), body)| {
                Changed::of(&Record { tag, shard, key, body: body.clone() }, copy.epoch)
            })
        });
        things.collect()
    }

    /// Forgets the shards that we do not follow any more by a view of this version. What was begun by a later one may be
    /// ours to follow by that.
    pub fn keep(&mut self, version: u64, follow: impl Fn(Shard) -> bool) {
        self.copies.retain(|&shard, copy| copy.by > version || follow(shard));
    }

    /// Whether anything is known of `shard`.
    pub fn has(&self, shard: Shard) -> bool {
        self.copies.contains_key(&shard)
    }

    /// What is known of one thing.
    pub fn find(&self, shard: Shard, tag: Tag, key: Key) -> Option<&[u8]> {
        self.copies.get(&shard)?.things.get(&(tag, key)).map(Vec::as_slice)
    }

    /// All things that are known.
    pub fn all(&self) -> impl Iterator<Item = (Shard, Tag, Key)> {
        let of = |(&shard, copy): (&Shard, &'_ Copy)| {
            copy.things.keys().map(move |&(tag, key)| (shard, tag, key)).collect::<Vec<_>>()
        };
        self.copies.iter().flat_map(of)
    }

    /// How many shards are known whole, and how many things are in all.
    pub fn size(&self) -> (usize, usize) {
        let whole = self.copies.values().filter(|copy| copy.is_whole).count();
        (whole, self.copies.values().map(|copy| copy.things.len()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: (Shard, Epoch) = (Shard::of(5), Epoch(2));

    fn changed(epoch: u32, key: u128, body: &[u8]) -> Changed {
        let record = Record { tag: Tag(1), shard: SHARD.0, key: Key(key), body: body.to_vec() };
        Changed::of(&record, Epoch(epoch))
    }

    fn bodies(replica: &mut Replica) -> (Vec<Vec<u8>>, bool) {
        let Known { records, is_whole, .. } = replica.take(SHARD.0);
        (records.into_iter().map(|record| record.body).collect(), is_whole)
    }

    #[test]
    fn the_old_copy_serves_until_the_new_one_is_whole() {
        let mut replica = Replica::default();
        replica.begin(1, &[SHARD]);
        replica.change(vec![changed(2, 1, b"a"), changed(2, 2, b"b")]);
        replica.whole(&[SHARD]);
        // The owner was started again, and has forgotten who followed. What died meanwhile must not live on.
        replica.begin(1, &[SHARD]);
        replica.change(vec![changed(2, 1, b"c")]);
        assert_eq!(replica.size(), (1, 2));
        replica.whole(&[SHARD]);
        assert_eq!(bodies(&mut replica), (vec![b"c".to_vec()], true));
        assert_eq!(bodies(&mut replica), (vec![], false));
    }

    #[test]
    fn half_a_copy_is_better_than_none_and_says_so() {
        let mut replica = Replica::default();
        replica.begin(1, &[SHARD]);
        replica.change(vec![changed(2, 1, b"a"), changed(2, 1, b""), changed(2, 2, b"b")]);
        assert_eq!(bodies(&mut replica), (vec![b"b".to_vec()], false));
    }

    #[test]
    fn what_a_ghost_says_under_an_older_epoch_changes_nothing() {
        let mut replica = Replica::default();
        replica.begin(1, &[SHARD]);
        replica.whole(&[SHARD]);
        replica.begin(1, &[(SHARD.0, Epoch(1))]);
        replica.change(vec![changed(1, 1, b"ghost")]);
        replica.whole(&[(SHARD.0, Epoch(1))]);
        assert_eq!(bodies(&mut replica), (vec![], true));
    }

    #[test]
    fn a_copy_that_a_later_view_wants_outlives_the_one_before_it() {
        let mut replica = Replica::default();
        replica.begin(7, &[SHARD]);
        replica.keep(6, |_| false);
        replica.change(vec![changed(2, 1, b"a")]);
        replica.whole(&[SHARD]);
        replica.keep(6, |_| false);
        assert_eq!(replica.size(), (1, 1));
        replica.keep(7, |_| false);
        assert_eq!(replica.size(), (0, 0));
    }
}
