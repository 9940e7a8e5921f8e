//! The servers under measurement, each with its store and directory.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use tempfile::TempDir;

use crate::cases::{Case, request};
use crate::roles::{Process, Tool};
use crate::upstream::Upstream;
use crate::wire::Connection;

mod backing;
mod nginx;
pub mod oncegate;
mod usage;

pub use backing::{Backing, KINDS, Kind};
pub use usage::{Reading, Usage};

use self::oncegate::Log;

/// Number of keys that are replayed again and again.
const CACHED: u64 = 16;

/// A server, and the keys that were used on it.
pub struct Contender {
    pub name: String,
    pub role: Role,
    address: SocketAddr,
    pid: u32,
    /// Ended when dropped, before the store and the directory. The upstream is not the contender's own
    /// process.
    _process: Option<Process>,
    _directory: Option<TempDir>,
    pub backing: Option<Backing>,
    /// Keys below this were completed, or are about to be.
    used: Cell<u64>,
    replayed: Cell<u64>,
    /// Number of replays of the few keys that are replayed again and again.
    cached: Cell<u64>,
}

/// The purpose of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The upstream itself.
    Direct,
    Nginx,
    /// nginx with a script that keeps responses in Redis.
    NginxLua,
    BareProxy,
    Floor(Kind),
    Oncegate(Kind),
    /// The gateway with its access log, which the other roles do without.
    Logging,
}

/// All contenders, in the order in which they are started.
pub const ROLES: [Role; 12] = [
    Role::Direct,
    Role::Nginx,
    Role::NginxLua,
    Role::BareProxy,
    Role::Floor(Kind::Memory),
    Role::Oncegate(Kind::Memory),
    Role::Oncegate(Kind::Embedded),
    Role::Floor(Kind::Redis),
    Role::Oncegate(Kind::Redis),
    Role::Floor(Kind::Postgres),
    Role::Oncegate(Kind::Postgres),
    Role::Logging,
];

/// Starts all contenders that are available on this machine.
pub async fn all(upstream: &Upstream) -> Vec<Rc<Contender>> {
    let mut all = Vec::new();
    for role in ROLES {
        all.extend(start(role, upstream, Tool::None).await.map(Rc::new));
    }
    all
}

/// Reports the contenders that are not installed.
pub fn report_missing() {
    if !nginx::is_installed() {
        eprintln!("\n*** nginx is not installed: left out, and so is every ratio to it ***\n");
    }
    if !nginx::is_lua_installed() {
        let packages = nginx::LUA_PACKAGES;
        eprintln!(
            "\n*** nginx with Lua is not installed ({packages}): left out, and so is every ratio to it ***\n"
        );
    }
}

/// Starts a contender, each on a store of its own. Returns none if it is not installed.
pub async fn start(role: Role, upstream: &Upstream, tool: Tool) -> Option<Contender> {
    let address = upstream.address;
    Some(match role {
        Role::Direct => Contender::new("direct", role, address, upstream.pid()),
        Role::Nginx => {
            let started = nginx::is_installed().then(|| nginx::start(address, tool))?;
            Contender::of("nginx", role, started.process, started.address).within(started.directory)
        }
        Role::NginxLua => {
            let backing = nginx::is_lua_installed().then(|| Backing::start(Kind::Redis))?.await;
            let started = nginx::start_lua(address, backing.port(), tool);
            let contender = Contender::of("nginx-lua, redis", role, started.process, started.address);
            contender.within(started.directory).on(backing)
        }
        Role::BareProxy => {
            let (process, listens) = Process::of_role(&["proxy", &address.to_string()], tool);
            Contender::of("bare proxy", role, process, listens)
        }
        Role::Floor(kind) => {
            let backing = Backing::start(kind).await;
            floor(address, kind, &backing.url(), tool).on(backing)
        }
        Role::Oncegate(kind) => {
            let backing = Backing::start(kind).await;
            gateway(address, role, &backing.url(), tool).on(backing)
        }
        Role::Logging => {
            let backing = Backing::start(Kind::Memory).await;
            gateway(address, role, &backing.url(), tool).on(backing)
        }
    })
}

/// Starts a floor on a store of this kind at this URL.
pub fn floor(upstream: SocketAddr, kind: Kind, url: &str, tool: Tool) -> Contender {
    let (process, listens) = Process::of_role(&["floor", &upstream.to_string(), url], tool);
    let name = format!("floor, {}", kind.name());
    Contender::of(&name, Role::Floor(kind), process, listens)
}

/// Starts the release binary on a store at this URL.
pub fn gateway(upstream: SocketAddr, role: Role, url: &str, tool: Tool) -> Contender {
    let (log, name) = match role {
        Role::Oncegate(kind) => (Log::Quiet, format!("oncegate, {}", kind.name())),
        _ => (Log::Access, "oncegate, logging".into()),
    };
    let gateway = oncegate::start(upstream, url, log, tool);
    Contender::of(&name, role, gateway.process, gateway.address).within(gateway.directory)
}

impl Contender {
    fn new(name: &str, role: Role, address: SocketAddr, pid: u32) -> Self {
        Self {
            name: name.into(),
            role,
            address,
            pid,
            _process: None,
            _directory: None,
            backing: None,
            used: Cell::new(0),
            replayed: Cell::new(0),
            cached: Cell::new(0),
        }
    }

    fn of(name: &str, role: Role, process: Process, address: SocketAddr) -> Self {
        let pid = process.pid();
        Self { _process: Some(process), ..Self::new(name, role, address, pid) }
    }

    fn on(self, backing: Backing) -> Self {
        Self { backing: Some(backing), ..self }
    }

    fn within(self, directory: TempDir) -> Self {
        Self { _directory: Some(directory), ..self }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub async fn connect(&self) -> Connection {
        let connected = Connection::to(self.address).await;
        connected.unwrap_or_else(|error| panic!("{} has gone: {error}", self.name))
    }

    /// Returns the next request of this case.
    pub fn next_request(&self, case: Case) -> String {
        let key = match case {
            Case::NoKey => None,
            Case::First => Some(self.next_key()),
            Case::Replay => Some(next(&self.replayed) % self.used.get()),
            Case::Cached => Some(next(&self.cached) % CACHED),
        };
        request(key, 0)
    }

    /// Returns a key that was never used.
    pub fn next_key(&self) -> u64 {
        next(&self.used)
    }

    /// Returns the number of requests of a case before a key repeats.
    pub fn at_most(&self, case: Case) -> u64 {
        if case == Case::Replay { self.used.get() } else { u64::MAX }
    }
}

fn next(counter: &Cell<u64>) -> u64 {
    counter.replace(counter.get() + 1)
}
