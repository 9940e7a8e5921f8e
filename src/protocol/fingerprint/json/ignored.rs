//! The parts of a document that are left out: the places that JSON pointers (RFC 6901) name.
//!
//! A pointer to an array's element blanks the element, so that its neighbours keep their places. A pointer to
//! a missing place leaves out no part.

/// A step of a pointer: the name of a member, or the number of an element.
pub(super) struct Step {
    name: String,
    /// Element that the step means as the last step.
    last: Option<usize>,
    /// Element that the step means on the way to another one, in its one canonical spelling.
    passing: Option<usize>,
}

/// Returns the steps of each pointer.
pub(super) fn pointers(ignore: &[String]) -> Vec<Vec<Step>> {
    let relative = ignore.iter().filter_map(|pointer| pointer.strip_prefix('/'));
    relative.map(|pointer| pointer.split('/').map(Step::of).collect()).collect()
}

impl Step {
    fn of(text: &str) -> Self {
        let name = text.replace("~1", "/").replace("~0", "~");
        let last = name.parse().ok();
        let passing = last.filter(|element: &usize| element.to_string() == name);
        Self { name, last, passing }
    }
}

/// The parts that are left out below one place in a document: the rests of the pointers that lead through it.
pub(super) struct Ignored<'p>(Vec<&'p [Step]>);

/// The decision about a value, and the parts below the value that are left out.
pub(super) struct Subtree<'p> {
    pub(super) is_left_out: bool,
    pub(super) ignored: Ignored<'p>,
}

impl<'p> Ignored<'p> {
    /// Starts at the top of a document.
    pub(super) fn of(pointers: &'p [Vec<Step>]) -> Self {
        Self(pointers.iter().map(Vec::as_slice).collect())
    }

    pub(super) fn member(&self, name: &str) -> Subtree<'p> {
        self.subtree(|step, _| step.name == name)
    }

    pub(super) fn element(&self, number: usize) -> Subtree<'p> {
        self.subtree(|step, is_last| {
            number == if is_last { step.last } else { step.passing }.unwrap_or(usize::MAX)
        })
    }

    fn subtree(&self, leads_there: impl Fn(&Step, bool) -> bool) -> Subtree<'p> {
        let mut subtree = Subtree { is_left_out: false, ignored: Self(Vec::new()) };
        for pointer in &self.0 {
            match pointer {
                [step, rest @ ..] if leads_there(step, rest.is_empty()) => {
                    subtree.is_left_out |= rest.is_empty();
                    subtree.ignored.0.push(rest);
                }
                _ => {}
            }
        }
        subtree
    }
}
