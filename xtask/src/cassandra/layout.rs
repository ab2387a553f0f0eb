//! Which nodes there are, where they listen, and which part of the ring is theirs.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, bail};

/// The ring is cut into this many pieces for each node.
pub(super) const TOKENS_PER_NODE: usize = 4;

/// Data centers and nodes in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One node.
    Single,
    /// One data center of three.
    Center,
    /// Two data centers of three.
    TwoCenters,
}

impl Layout {
    pub(super) fn parse(text: &str) -> Result<Self> {
        match text {
            "1x1" => Ok(Self::Single),
            "1x3" => Ok(Self::Center),
            "2x3" => Ok(Self::TwoCenters),
            _ => bail!("no layout: {text}; there are 1x1, 1x3 and 2x3"),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Single => "1x1",
            Self::Center => "1x3",
            Self::TwoCenters => "2x3",
        }
    }

    pub(super) fn centers(self) -> usize {
        if self == Self::TwoCenters { 2 } else { 1 }
    }

    pub(super) fn nodes_per_center(self) -> usize {
        if self == Self::Single { 1 } else { 3 }
    }

    /// Whether nodes reach each other by the link that can be cut.
    pub(super) fn is_linked(self) -> bool {
        self.centers() > 1
    }

    pub(super) fn nodes(self) -> Vec<usize> {
        (1..=self.centers() * self.nodes_per_center()).collect()
    }

    /// The data center of a node, counted from 1.
    pub(super) fn center_of(self, node: usize) -> usize {
        (node - 1) / self.nodes_per_center() + 1
    }

    /// The place of a node in its data center, counted from 0.
    pub(super) fn seat_of(self, node: usize) -> usize {
        (node - 1) % self.nodes_per_center()
    }

    /// The nodes that a word names: `2`, `1,3`, `dc2`.
    pub(super) fn select(self, word: &str) -> Result<Vec<usize>> {
        let mut selected = Vec::new();
        for part in word.split(',') {
            selected.extend(self.select_part(part)?);
        }
        selected.sort_unstable();
        selected.dedup();
        Ok(selected)
    }

    fn select_part(self, part: &str) -> Result<Vec<usize>> {
        let is_named = |node: &usize| match part.strip_prefix("dc") {
            Some(center) => self.center_of(*node).to_string() == center,
            None => node.to_string() == part,
        };
        let named: Vec<usize> = self.nodes().into_iter().filter(is_named).collect();
        if named.is_empty() {
            bail!("no node is called {part} in {}", self.name());
        }
        Ok(named)
    }

    /// The single node that a word names.
    pub(super) fn select_one(self, word: &str) -> Result<usize> {
        match self.select(word)?.as_slice() {
            [node] => Ok(*node),
            _ => bail!("{word} is more than one node"),
        }
    }

    /// Tokens that share the ring evenly: the nodes of a data center take turns on it, and the
    /// tokens of the second are moved a little, since a token has one owner in the whole cluster.
    pub(super) fn tokens_of(self, node: usize) -> Result<Vec<i64>> {
        let seats = self.nodes_per_center();
        let step = (1_i128 << 64) / i128::try_from(seats * TOKENS_PER_NODE)?;
        let moved = 100 * i128::try_from(self.center_of(node) - 1)?;
        let turn = |turn: usize| -> Result<i64> {
            let place = i128::try_from(turn * seats + self.seat_of(node))?;
            i64::try_from(i128::from(i64::MIN) + place * step + moved).context("beyond the ring")
        };
        (0..TOKENS_PER_NODE).map(turn).collect()
    }
}

/// The addresses of one cluster: 127.0.NET.1 to 6. Clusters of several checkouts, or of a test and
/// of the one who wrote it, differ in NET and do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Net(pub(super) u8);

impl Net {
    /// Where a node speaks CQL, and where the other nodes look for it.
    pub(super) fn outer(self, node: usize) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, self.0, low_byte(node))
    }

    /// Where a node listens for other nodes when the link stands before it.
    pub(super) fn inner(self, node: usize) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, self.0, low_byte(node + 10))
    }

    pub(super) fn cql(self, node: usize) -> SocketAddr {
        (self.outer(node), CQL_PORT).into()
    }

    /// JMX can only be given a port: it always listens on 127.0.0.1.
    pub(super) fn jmx_port(self, node: usize) -> u16 {
        7100 + 10 * u16::from(self.0) + u16::from(low_byte(node))
    }
}

pub(super) const CQL_PORT: u16 = 9042;
pub(super) const STORAGE_PORT: u16 = 7000;

fn low_byte(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_named_by_number_list_and_data_center() {
        let select = |word| Layout::TwoCenters.select(word).unwrap();
        assert_eq!(select("2"), [2]);
        assert_eq!(select("5,1"), [1, 5]);
        assert_eq!(select("dc2"), [4, 5, 6]);
        assert_eq!(select("dc1,2,6"), [1, 2, 3, 6]);
    }

    #[test]
    fn a_node_that_is_not_there_is_refused() {
        for word in ["2", "0", "dc2", "", "x", "01"] {
            assert!(Layout::Single.select(word).is_err(), "{word}");
        }
        assert!(Layout::Center.select_one("1,2").is_err());
    }

    #[test]
    fn the_ring_is_shared_evenly_and_no_token_has_two_owners() {
        let layout = Layout::TwoCenters;
        let owned = |node| layout.tokens_of(node).unwrap();
        let mut all: Vec<i64> = layout.nodes().into_iter().flat_map(owned).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6 * TOKENS_PER_NODE);
        assert_eq!(all[0], i64::MIN);
        assert_eq!(all[1], i64::MIN + 100);
    }

    #[test]
    fn clusters_of_two_nets_share_no_address_and_no_port_of_jmx() {
        assert_eq!(Net(0).cql(6).to_string(), "127.0.0.6:9042");
        assert_eq!(Net(7).inner(1), Ipv4Addr::new(127, 0, 7, 11));
        assert!(Net(0).jmx_port(6) < Net(1).jmx_port(1));
    }
}
