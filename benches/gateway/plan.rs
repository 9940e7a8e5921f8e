//! Who is measured beside whom, and what each is compared with.

use std::rc::Rc;

use crate::cases::Case;
use crate::contenders::{Contender, Kind, Role};

/// What is measured in the same seconds.
pub type Group = Vec<(Rc<Contender>, Case)>;

/// Each group holds the floors of its members.
const GROUPS: [(Case, &[Role]); 6] = [
    (Case::NoKey, &[Role::Nginx, Role::BareProxy, Role::Oncegate(Kind::Memory), Role::Logging]),
    (
        Case::First,
        &[
            Role::Floor(Kind::Memory),
            Role::Floor(Kind::Redis),
            Role::Oncegate(Kind::Memory),
            Role::Oncegate(Kind::Redis),
        ],
    ),
    (
        Case::First,
        &[
            Role::Floor(Kind::Memory),
            Role::Floor(Kind::Postgres),
            Role::Oncegate(Kind::Embedded),
            Role::Oncegate(Kind::Postgres),
        ],
    ),
    (
        Case::Replay,
        &[
            Role::Floor(Kind::Memory),
            Role::Floor(Kind::Redis),
            Role::Oncegate(Kind::Memory),
            Role::Oncegate(Kind::Redis),
        ],
    ),
    (
        Case::Replay,
        &[
            Role::Floor(Kind::Memory),
            Role::Floor(Kind::Postgres),
            Role::Oncegate(Kind::Embedded),
            Role::Oncegate(Kind::Postgres),
        ],
    ),
    (
        Case::Cached,
        &[
            Role::Floor(Kind::Redis),
            Role::Oncegate(Kind::Memory),
            Role::Oncegate(Kind::Embedded),
            Role::Oncegate(Kind::Redis),
            Role::Oncegate(Kind::Postgres),
        ],
    ),
];

/// The groups of the fixed rate, and the saturated slices in their order.
pub fn of(contenders: &[Rc<Contender>], fixed_rate: bool, saturated: bool) -> (Vec<Group>, Group) {
    let find = |role: Role| contenders.iter().find(|contender| contender.role == role).map(Rc::clone);
    let group = |(case, roles): &(Case, &[Role])| {
        let direct = find(Role::Direct).map(|direct| (direct, Case::NoKey));
        let members = roles.iter().filter_map(|role| Some((find(*role)?, *case)));
        direct.into_iter().chain(members).collect()
    };
    let groups = if fixed_rate { GROUPS.iter().map(group).collect() } else { Vec::new() };
    let mut singles: Group = Vec::new();
    for case in Case::ALL.into_iter().filter(|_| saturated) {
        let asked = contenders.iter().filter(|contender| saturates(contender.role, case));
        singles.extend(asked.map(|contender| (Rc::clone(contender), case)));
    }
    (groups, singles)
}

fn saturates(role: Role, case: Case) -> bool {
    match role {
        Role::Direct | Role::Nginx | Role::BareProxy | Role::Logging => case == Case::NoKey,
        // Without a key the store is not asked.
        Role::Oncegate(kind) => case != Case::NoKey || kind == Kind::Memory,
        Role::Floor(kind) => {
            matches!(case, Case::First | Case::Replay) || case == Case::Cached && kind == Kind::Redis
        }
    }
}

/// What it is measured against in this case, if that is not itself.
pub fn floor(role: Role, case: Case) -> Option<Role> {
    let floor = match (role, case) {
        (Role::Oncegate(_) | Role::Logging | Role::BareProxy, Case::NoKey) => Role::Nginx,
        // A replay out of the gateway's own memory saves what a replay out of Redis costs.
        (Role::Oncegate(_), Case::Cached) => Role::Floor(Kind::Redis),
        (Role::Oncegate(Kind::Memory | Kind::Embedded), _) => Role::Floor(Kind::Memory),
        (Role::Oncegate(kind), _) => Role::Floor(kind),
        _ => return None,
    };
    Some(floor)
}
