//! Random subsetting (gRFC [A68]), as a pure function.
//!
//! A thousand clients that each connect to ten thousand replicas make ten million connections. With
//! a subset each client connects to a few, and rendezvous hashing keeps that few nearly the same
//! when replicas come and go.
//!
//! [A68]: https://github.com/grpc/proposal/blob/master/A68-random-subsetting.md

use std::hash::{Hash, Hasher as _};

/// The `size` items whose keys have the lowest hashes under a seed, in their former order. The seed
/// is drawn once for each channel, so that different clients choose differently and one client keeps
/// its choice.
pub(crate) fn choose<T, K: Hash>(
    items: Vec<T>,
    size: usize,
    seed: u64,
    key: impl Fn(&T) -> K,
) -> Vec<T> {
    if items.len() <= size {
        return items;
    }
    let mut ranked: Vec<(u64, usize, T)> = items
        .into_iter()
        .enumerate()
        .map(|(place, item)| (rank(&key(&item), seed), place, item))
        .collect();
    // Only the boundary must be right; sorting all of them would be waste.
    ranked.select_nth_unstable_by_key(size, |(rank, place, _)| (*rank, *place));
    ranked.truncate(size);
    ranked.sort_unstable_by_key(|(_, place, _)| *place);
    ranked.into_iter().map(|(_, _, item)| item).collect()
}

/// FNV-1a with a final avalanche: fast, the same in every process, and no secret.
fn rank<T: Hash>(item: &T, seed: u64) -> u64 {
    struct Fnv(u64);
    impl std::hash::Hasher for Fnv {
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        fn finish(&self) -> u64 {
            let mut hash = self.0;
            hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
            hash ^ (hash >> 33)
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    seed.hash(&mut hasher);
    item.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_enough_are_all_kept() {
        assert_eq!(choose(vec![3, 1, 2], 3, 7, |n| *n), [3, 1, 2]);
    }

    #[test]
    fn many_clients_use_every_replica_about_equally() {
        let mut uses = [0u32; 100];
        for seed in 0..1_000 {
            for replica in choose((0..100usize).collect(), 20, seed, |n| *n) {
                uses[replica] += 1;
            }
        }
        // 200 is the mean, and its standard deviation is 12.6.
        assert!(
            uses.iter().all(|uses| (140..=260).contains(uses)),
            "{uses:?}"
        );
    }

    proptest! {
        #[test]
        fn a_replica_that_comes_or_goes_changes_one_place_at_most(
            count in 30u32..200, gone in 0u32..30, seed: u64,
        ) {
            let before = choose((0..count).collect(), 20, seed, |n| *n);
            let rest = (0..count).filter(|n| *n != gone).collect();
            let after = choose(rest, 20, seed, |n| *n);
            let kept = before.iter().filter(|n| after.contains(n)).count();
            prop_assert!(kept >= 19, "{before:?} {after:?}");
        }

        #[test]
        fn the_order_is_kept(count in 0u32..200, size in 1usize..50, seed: u64) {
            let chosen = choose((0..count).collect(), size, seed, |n: &u32| *n);
            prop_assert!(chosen.is_sorted());
            prop_assert_eq!(chosen.len(), size.min(count as usize));
        }
    }
}
