//! What can happen next.

use domain::{OrderId, ShardRef, UserId};

use super::{
    config::{Config, Fault},
    mutation::Mutation,
    node::{Node, Outcome},
    parts::Message,
    state::{Key, Side, State},
};

/// A node: of which shard, and which of those that believe to serve it.
pub type At = (Side, usize);

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The next customer places an order.
    Place(At),
    /// A customer calls an order off.
    Cancel(At, OrderId, UserId),
    /// The deadlines pass.
    TimePasses,
    /// A message arrives. Messages arrive in any order.
    Deliver(Key, At),
    /// A node finds that something is missing, and reads its source's journal.
    Heal(At),
    /// A transaction reaches the store.
    Land(At),
    /// A transaction that nobody waits for any more reaches the store.
    LandLate(Side, usize),
    /// A node learns what came of its transaction.
    Learn(At),
    /// A node looks after overdue orders.
    LookAtDeadlines(At),
    /// An operator has a command handled that was set aside.
    Retry(At, u64),
    /// A node starts, where no node serves a shard.
    Start(Side),
    /// A node claims its shard, again or for the first time.
    Claim(At),
    /// A node dies.
    Crash(At),
    /// A second node claims a shard.
    TakeOver(Side),
    /// A node is not told what came of its transaction.
    UnknownCommit(At),
    /// A message is lost.
    Lose(Key),
    /// A message arrives for the first time, and will again.
    Duplicate(Key, At),
    /// A message arrives that cannot be decoded.
    Garble(Key, At),
    /// A message's handler panics.
    Panic(Key, At),
    /// A message's handler keeps failing.
    Park(Key, At),
}

/// Everything that can happen next.
pub(super) fn possible(config: &Config, state: &State, actions: &mut Vec<Action>) {
    if config.deadlines && !state.is_late {
        actions.push(Action::TimePasses);
    }
    for side in Side::BOTH {
        of_shard(config, state, side, actions);
        for (index, node) in state.shard(side).nodes.iter().enumerate() {
            of_node(state, node, (side, index), actions);
            if node.is_open {
                of_customers(config, state, (side, index), actions);
                of_link(config, state, node, (side, index), actions);
            }
        }
    }
    if state.faults.allows(Fault::Loss) {
        actions.extend(state.network.keys().map(|key| Action::Lose(*key)));
    }
}

fn of_shard(config: &Config, state: &State, side: Side, actions: &mut Vec<Action>) {
    let shard = state.shard(side);
    let epoch = shard.stored.head.epoch;
    let serves = |node: &Node| node.epoch == epoch;
    let is_unclaimed = |node: &Node| node.epoch == 0;
    if !shard
        .nodes
        .iter()
        .any(|node| serves(node) || is_unclaimed(node))
    {
        actions.push(Action::Start(side));
    }
    if state.faults.allows(Fault::TakeOver)
        && shard.nodes.len() == 1
        && shard.nodes.iter().any(|node| serves(node) && node.is_open)
    {
        actions.push(Action::TakeOver(side));
    }
    let orphans = 0..shard.orphans.len();
    actions.extend(orphans.map(|index| Action::LandLate(side, index)));
    debug_assert!(
        config.mutation == Some(Mutation::StateBeforeClaim)
            || !shard.nodes.iter().any(is_unclaimed)
    );
}

fn of_node(state: &State, node: &Node, at: At, actions: &mut Vec<Action>) {
    match &node.under_way {
        Some((_, Outcome::Pending)) => actions.push(Action::Land(at)),
        Some(_) => actions.push(Action::Learn(at)),
        None => {}
    }
    if node.under_way.is_some() && state.faults.allows(Fault::UnknownCommit) {
        actions.push(Action::UnknownCommit(at));
    }
    if !node.is_open {
        actions.push(Action::Claim(at));
    }
    if state.faults.allows(Fault::Crash) {
        actions.push(Action::Crash(at));
    }
}

fn of_customers(config: &Config, state: &State, at: At, actions: &mut Vec<Action>) {
    let (side, index) = at;
    let node = &state.shard(side).nodes[index];
    let stored = state.stored(side);
    let is_ready = |id: u64| !node.barred.contains(&id);
    if side == Side::Orders {
        if state.placed < config.orders.len() {
            actions.push(Action::Place(at));
        }
        if state.cancels > 0 {
            let known = state.known_orders().filter(|(id, _)| is_ready(id.get()));
            actions.extend(known.map(|(id, user)| Action::Cancel(at, id, user)));
        }
        if state.is_late {
            let overdue = node.overdue(stored, config.mutation);
            if !overdue.is_empty() && overdue.into_iter().all(is_ready) && news(state, node) {
                actions.push(Action::LookAtDeadlines(at));
            }
        }
    }
    for command in &stored.parked {
        if node.parked.contains(command)
            && !node.dealing_with.contains(&command.id)
            && is_ready(command.aggregate_id)
        {
            actions.push(Action::Retry(at, command.id));
        }
    }
}

/// Whether looking at the deadlines brings anything new.
fn news(state: &State, node: &Node) -> bool {
    let Some((_, before)) = &node.expiry else {
        return true;
    };
    let mut after = *before;
    let [mine, theirs] =
        [Side::Orders, Side::Products].map(|side| (side.shard(), &state.stored(side).head));
    after.look(mine, theirs) || after != *before
}

fn of_link(config: &Config, state: &State, node: &Node, at: At, actions: &mut Vec<Action>) {
    if config.mutation != Some(Mutation::NoHealing) && is_behind(state, node) {
        let mut missing = missing(config, state, node).into_iter();
        if missing.all(|message| node.is_ready_for(&message)) {
            actions.push(Action::Heal(at));
        }
    }
    for (key, message) in &state.network {
        if message.target != node.shard || !node.is_ready_for(message) {
            continue;
        }
        actions.push(Action::Deliver(*key, at));
        if state.faults.allows(Fault::Duplicate) {
            actions.push(Action::Duplicate(*key, at));
        }
        if state.faults.allows(Fault::Garble) {
            actions.push(Action::Garble(*key, at));
        }
        let is_next = message.prev == node.inlet.cursor();
        if is_next && state.faults.allows(Fault::Panic) {
            actions.push(Action::Panic(*key, at));
        }
        if is_next && state.faults.allows(Fault::Park) {
            actions.push(Action::Park(*key, at));
        }
    }
}

fn is_behind(state: &State, node: &Node) -> bool {
    let source = &state.stored(Side::of(node.source)).head;
    source.sent.get(&node.shard).copied().unwrap_or(0) > node.inlet.cursor()
}

/// What a node has not taken up, as its source's journal has it.
pub(super) fn missing(config: &Config, state: &State, node: &Node) -> Vec<Message> {
    let source = state.stored(Side::of(node.source));
    let records = source.link_to(node.shard, node.inlet.cursor());
    records
        .flat_map(|(prev, record)| messages(config, node.source, node.shard, prev, record.clone()))
        .collect()
}

/// The messages by which a record goes to a target: one, unless a broken rule makes it one a line.
pub(super) fn messages(
    config: &Config,
    source: ShardRef,
    target: ShardRef,
    prev: u64,
    record: std::sync::Arc<super::store::Record>,
) -> Vec<Message> {
    let lines = match &record.payload.event {
        domain::Event::Order(domain::orders::OrderEvent::OrderCreated { lines, .. })
            if config.mutation == Some(Mutation::MessagePerLine) =>
        {
            (0_u8..).take(lines.len()).map(Some).collect()
        }
        _ => vec![None],
    };
    lines
        .into_iter()
        .map(|line| Message {
            source,
            target,
            prev,
            record: record.clone(),
            line,
            is_doubled: false,
        })
        .collect()
}
