//! The places in a body that pointers name, as a tree, so that the number of pointers does not multiply the
//! time for a body.
//!
//! A pointer to an array's element means the element at this number. A pointer to a missing place means
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

/// The places that a list of pointers names.
#[derive(Debug)]
pub(super) struct Places {
    /// Number 0 is the whole body.
    nodes: Vec<Node>,
    is_only: bool,
}

/// A place on the way of a pointer. The places below it are numbers of nodes.
#[derive(Debug, Default)]
struct Node {
    named: BTreeMap<String, usize>,
    /// The places of elements, by the one usual spelling of their numbers.
    numbered: BTreeMap<usize, usize>,
    /// The elements that a last step means in another spelling, such as `01`. The first releases read it so.
    numbered_otherwise: BTreeSet<usize>,
    any: Option<usize>,
    is_end: bool,
}

/// The choice among the parts below one place of a body.
#[derive(Clone, Debug)]
pub(super) enum Filter<'p> {
    /// Every part below the place counts.
    Whole,
    /// No part below the place counts.
    Nothing,
    /// The parts below these nodes are named.
    Named(&'p Places, Vec<usize>),
}

/// The decision about a value, and about the parts below it.
pub(super) struct Below<'p> {
    pub(super) is_left_out: bool,
    pub(super) filter: Filter<'p>,
}

impl Places {
    pub(super) fn of(pointers: &[String], is_only: bool, has_wildcards: bool) -> Self {
        let mut places = Self { nodes: vec![Node::default()], is_only };
        for pointer in pointers.iter().filter_map(|pointer| pointer.strip_prefix('/')) {
            places.add(pointer, has_wildcards);
        }
        places
    }

    fn add(&mut self, pointer: &str, has_wildcards: bool) {
        let mut node = 0;
        let mut steps = pointer.split('/').peekable();
        while let Some(step) = steps.next() {
            let name = step.replace("~1", "/").replace("~0", "~");
            if steps.peek().is_none() && !self.is_only {
                self.nodes[node].numbered_otherwise.extend(name.parse::<usize>().ok());
            }
            node = self.child(node, name, has_wildcards);
        }
        self.nodes[node].is_end = true;
    }

    /// Returns the node below `node` for this step, which is made if it is not there.
    fn child(&mut self, node: usize, name: String, has_wildcards: bool) -> usize {
        let (next, parent) = (self.nodes.len(), &mut self.nodes[node]);
        let child = match has_wildcards && name == "*" {
            true => *parent.any.get_or_insert(next),
            false => {
                let number: Option<usize> = name.parse().ok();
                let child = *parent.named.entry(name.clone()).or_insert(next);
                if let Some(number) = number.filter(|number| number.to_string() == name) {
                    parent.numbered.insert(number, child);
                }
                child
            }
        };
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }

    /// Returns the choice for the parts of a whole body.
    pub(super) fn filter(&self) -> Filter<'_> {
        if self.nodes.len() == 1 { Filter::Whole } else { Filter::Named(self, vec![0]) }
    }

    fn below(&self, nodes: Vec<usize>, is_named: bool) -> Below<'_> {
        let is_named = is_named || nodes.iter().any(|node| self.nodes[*node].is_end);
        match (is_named, nodes.is_empty()) {
            (true, _) => Below { is_left_out: !self.is_only, filter: Filter::Whole },
            (false, true) if self.is_only => Below { is_left_out: true, filter: Filter::Nothing },
            (false, true) => Below { is_left_out: false, filter: Filter::Whole },
            (false, false) => Below { is_left_out: false, filter: Filter::Named(self, nodes) },
        }
    }
}

impl<'p> Filter<'p> {
    /// Returns the choice for the member `name`.
    pub(super) fn member(&self, name: &str) -> Below<'p> {
        self.step(|node, next| next.extend(node.named.get(name)))
    }

    /// Returns the choice for an array whose elements count unless they are named. The choice is
    /// [`Filter::Named`] only if a pointer leads to an element.
    pub(super) fn for_elements(&self) -> &Self {
        let is_named = |node: &Node| {
            node.any.is_some() || !node.numbered_otherwise.is_empty() || !node.numbered.is_empty()
        };
        match self {
            Self::Named(places, nodes) if !nodes.iter().any(|node| is_named(&places.nodes[*node])) => {
                &Self::Whole
            }
            filter => filter,
        }
    }

    /// Returns the choice for an array's element.
    pub(super) fn element(&self, number: usize) -> Below<'p> {
        let Self::Named(places, nodes) = self else { return self.step(|_, _| ()) };
        let is_named = nodes.iter().any(|node| places.nodes[*node].numbered_otherwise.contains(&number));
        let below = self.step(|node, next| next.extend(node.numbered.get(&number)));
        if is_named { places.below(Vec::new(), true) } else { below }
    }

    /// Returns the choice for an element of a form's list that has no number, such as `items[]`. In doubt it
    /// counts.
    pub(super) fn unnumbered_element(&self) -> Below<'p> {
        match self {
            Self::Named(places, nodes)
                if places.is_only && nodes.iter().any(|node| !places.nodes[*node].numbered.is_empty()) =>
            {
                Below { is_left_out: false, filter: Self::Whole }
            }
            _ => self.member(""),
        }
    }

    /// Tells whether only named parts count, and this place is none of them, but may be on the way to one.
    pub(super) fn is_way_to_named(&self) -> bool {
        matches!(self, Self::Named(places, _) if places.is_only)
    }

    /// Returns the choice below the nodes that `find` adds, and below those of a wildcard.
    fn step(&self, find: impl Fn(&'p Node, &mut Vec<usize>)) -> Below<'p> {
        let Self::Named(places, nodes) = self else {
            return Below { is_left_out: matches!(self, Self::Nothing), filter: self.clone() };
        };
        let mut next = Vec::new();
        for node in nodes.iter().map(|node| &places.nodes[*node]) {
            find(node, &mut next);
            next.extend(node.any);
        }
        places.below(next, false)
    }
}
