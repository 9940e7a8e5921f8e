//! The servers that are measured beside each other, and their comparisons.

use std::rc::Rc;

use crate::cases::Case;
use crate::contenders::{Contender, Kind, Role};

/// A server, and the case of its requests.
pub type Member = (Rc<Contender>, Case);

/// Servers that are compared with each other: in the same seconds, or one directly after the other.
pub type Group = Vec<Member>;

/// The groups that a round measures.
pub struct Plan {
    pub fixed_rate: Vec<Group>,
    pub saturated: Vec<Group>,
}

/// Members of the groups, each with its floor, and with what a user would pick instead. The servers here
/// wait for no disk. Those in `SYNCED` do, those in `PASSING` pass on requests without a key, and those in
/// `CACHING` answer by themselves.
const UNSYNCED: &[Role] = &[
    Role::NginxLua,
    Role::Floor(Kind::Memory),
    Role::Floor(Kind::Redis),
    Role::Oncegate(Kind::Memory),
    Role::Oncegate(Kind::Redis),
];
const SYNCED: &[Role] = &[
    Role::Floor(Kind::Memory),
    Role::Floor(Kind::Postgres),
    Role::Oncegate(Kind::Embedded),
    Role::Oncegate(Kind::Postgres),
];
const PASSING: &[Role] = &[Role::Nginx, Role::BareProxy, Role::Oncegate(Kind::Memory), Role::Logging];
const CACHING: &[Role] = &[
    Role::Floor(Kind::Redis),
    Role::Oncegate(Kind::Memory),
    Role::Oncegate(Kind::Embedded),
    Role::Oncegate(Kind::Redis),
    Role::Oncegate(Kind::Postgres),
];
const GROUPS: [(Case, &[Role]); 6] = [
    (Case::NoKey, PASSING),
    (Case::First, UNSYNCED),
    (Case::First, SYNCED),
    (Case::Replay, UNSYNCED),
    (Case::Replay, SYNCED),
    (Case::Cached, CACHING),
];

impl Plan {
    pub fn of(contenders: &[Rc<Contender>], fixed_rate: bool, saturated: bool) -> Self {
        let beside_direct = |(case, roles): &(Case, &[Role])| -> Group {
            let direct = find(contenders, Role::Direct).map(|direct| (direct, Case::NoKey));
            let members = roles.iter().filter_map(|role| Some((find(contenders, *role)?, *case)));
            direct.into_iter().chain(members).collect()
        };
        let beside_nginx = |case: Case| -> Group {
            let nginx = find(contenders, Role::Nginx).map(|nginx| (nginx, Case::NoKey));
            // nginx is at the head already.
            let beside = contenders.iter().filter(|contender| contender.role != Role::Nginx);
            let members = beside.filter(|contender| takes(contender.role, case));
            nginx.into_iter().chain(members.map(|contender| (Rc::clone(contender), case))).collect()
        };
        Self {
            fixed_rate: GROUPS.iter().filter(|_| fixed_rate).map(beside_direct).collect(),
            saturated: Case::ALL.into_iter().filter(|_| saturated).map(beside_nginx).collect(),
        }
    }
}

fn find(contenders: &[Rc<Contender>], role: Role) -> Option<Rc<Contender>> {
    contenders.iter().find(|contender| contender.role == role).map(Rc::clone)
}

/// Tells whether a server is measured with this case.
pub fn takes(role: Role, case: Case) -> bool {
    match role {
        Role::Nginx | Role::Direct | Role::BareProxy | Role::Logging => case == Case::NoKey,
        Role::NginxLua => case != Case::NoKey,
        // A request without a key does not reach the store.
        Role::Oncegate(kind) => case != Case::NoKey || kind == Kind::Memory,
        Role::Floor(kind) => {
            matches!(case, Case::First | Case::Replay) || case == Case::Cached && kind == Kind::Redis
        }
    }
}

/// Returns the roles with which a server is compared in this case. The first that is available counts.
pub fn floors(role: Role, case: Case) -> Vec<Role> {
    match (role, case) {
        (Role::Oncegate(_) | Role::Logging | Role::BareProxy, Case::NoKey) => {
            vec![Role::Nginx, Role::BareProxy]
        }
        // A replay out of the gateway's own memory saves the cost of a replay out of Redis.
        (Role::Oncegate(_), Case::Cached) => vec![Role::Floor(Kind::Redis)],
        (Role::Oncegate(Kind::Memory | Kind::Embedded), _) => vec![Role::Floor(Kind::Memory)],
        (Role::NginxLua, _) => vec![Role::Floor(Kind::Redis)],
        (Role::Oncegate(kind), _) => vec![Role::Floor(kind)],
        _ => Vec::new(),
    }
}

/// Returns the role with whose store a server's store is compared.
pub fn floor_of_store(role: Role) -> Option<Role> {
    match role {
        Role::NginxLua => Some(Role::Floor(Kind::Redis)),
        Role::Oncegate(kind @ (Kind::Redis | Kind::Postgres)) => Some(Role::Floor(kind)),
        _ => None,
    }
}
