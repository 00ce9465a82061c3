//! That nothing goes round in circles.
//!
//! The checker's own liveness properties overlook cycles, so the model does without: if no behaviour ever returns to
//! where it was, then each of them, whatever is scheduled when, ends where nothing more can happen; and there everything
//! is settled, which is a property like any other. So every order settles, without any assumption of fairness.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
};

use stateright::Model;

/// What was found about a model whose behaviours all end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Distinct states.
    pub states: usize,
    /// Those where nothing more can happen.
    pub ends: usize,
    /// Steps of the longest behaviour.
    pub steps_max: usize,
}

/// A behaviour that returns to where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle<A> {
    /// The actions from the beginning on; the last one closes the circle.
    pub actions: Vec<A>,
}

struct Visit<A> {
    fingerprint: u64,
    action: Option<A>,
    next: std::vec::IntoIter<(A, u64)>,
    steps_max: usize,
}

/// Visits every state, depth first, with the states of the path at hand.
///
/// # Errors
/// The first circle found.
pub fn check<M>(model: &M) -> Result<Progress, Circle<M::Action>>
where
    M: Model,
    M::State: Hash + Clone,
    M::Action: Clone,
{
    /// A state on the path at hand; one that is done has the steps of the longest behaviour from there.
    const ON_PATH: usize = usize::MAX;
    let mut progress = Progress::default();
    let mut known: HashMap<u64, usize> = HashMap::new();
    for state in model.init_states() {
        let mut path = vec![state];
        let mut visits = vec![visit(model, &path[0], None)];
        known.insert(visits[0].fingerprint, ON_PATH);
        while let Some(at) = visits.last_mut() {
            let Some((action, fingerprint)) = at.next.next() else {
                let done = at.steps_max;
                known.insert(at.fingerprint, done);
                progress.states += 1;
                progress.steps_max = progress.steps_max.max(done);
                visits.pop();
                path.pop();
                if let Some(before) = visits.last_mut() {
                    before.steps_max = before.steps_max.max(done + 1);
                }
                continue;
            };
            match known.entry(fingerprint) {
                Entry::Occupied(steps) if *steps.get() == ON_PATH => {
                    let mut actions: Vec<M::Action> = visits
                        .into_iter()
                        .filter_map(|visit| visit.action)
                        .collect();
                    actions.push(action);
                    return Err(Circle { actions });
                }
                Entry::Occupied(steps) => at.steps_max = at.steps_max.max(steps.get() + 1),
                Entry::Vacant(new) => {
                    new.insert(ON_PATH);
                    let Some(state) = path
                        .last()
                        .and_then(|last| model.next_state(last, action.clone()))
                    else {
                        continue;
                    };
                    let visit = visit(model, &state, Some(action));
                    progress.ends += usize::from(visit.next.len() == 0);
                    path.push(state);
                    visits.push(visit);
                }
            }
        }
    }
    Ok(progress)
}

fn visit<M>(model: &M, state: &M::State, action: Option<M::Action>) -> Visit<M::Action>
where
    M: Model,
    M::State: Hash,
    M::Action: Clone,
{
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    let next: Vec<(M::Action, u64)> = actions
        .into_iter()
        .filter_map(|action| {
            let next = model.next_state(state, action.clone())?;
            Some((action, fingerprint(&next)))
        })
        .collect();
    Visit {
        fingerprint: fingerprint(state),
        action,
        next: next.into_iter(),
        steps_max: 0,
    }
}

fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
