//! Registers that transactions tie together: the parts of a history that can be judged alone.
//!
//! Two registers belong to one component if some transaction names both, or by a chain of such.
//! No transaction touches two components, so each is an object of its own, and linearizability is
//! local (Herlihy and Wing 1990, theorem 1): the history is linearizable if and only if each
//! component is.
//!
//! *Why the orders of the components make one order* ([`merged`]): give each operation of an order
//! the latest beginning among itself and those before it. That instant is not before the operation
//! began, and not after it ended, since nothing in the order began after it had ended. By their
//! instants, then, operations of different components are in an order that respects real time, and
//! those of one component stay as they were.

use std::collections::HashMap;

use perjury_history::{Key, Operation};

/// The operations of each component, by their places, in the order of their first ones. What names
/// no register at all is a component of its own.
pub(crate) fn of(operations: &[Operation]) -> Vec<Vec<(usize, &Operation)>> {
    let mut names: HashMap<&Key, usize> = HashMap::new();
    let mut parents: Vec<usize> = Vec::new();
    let mut first: Vec<Option<usize>> = Vec::with_capacity(operations.len());
    for operation in operations {
        let mut own = None;
        for key in operation.call.keys() {
            let name = *names.entry(key).or_insert_with(|| {
                parents.push(parents.len());
                parents.len() - 1
            });
            let root = root(&mut parents, name);
            let with = own.map_or(root, |own| self::root(&mut parents, own));
            parents[root] = with;
            own = Some(with);
        }
        first.push(own);
    }
    let mut places: HashMap<Option<usize>, usize> = HashMap::new();
    let mut components: Vec<Vec<(usize, &Operation)>> = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        let component = first[at].map(|own| root(&mut parents, own));
        let place = *places.entry(component).or_insert(components.len());
        if place == components.len() {
            components.push(Vec::new());
        }
        components[place].push((at, operation));
    }
    components
}

/// Who stands for a register's component; the way there is made shorter.
fn root(parents: &mut [usize], mut of: usize) -> usize {
    while parents[of] != of {
        parents[of] = parents[parents[of]];
        of = parents[of];
    }
    of
}

/// One order of all operations from one of each component.
pub(crate) fn merged(orders: Vec<Vec<usize>>, operations: &[Operation]) -> Vec<usize> {
    let mut all: Vec<(u64, usize, usize)> = Vec::new();
    for (component, order) in orders.into_iter().enumerate() {
        let mut instant = 0;
        for at in order {
            instant = instant.max(operations[at].start);
            all.push((instant, component, at));
        }
    }
    // Stable: those of one component stay in their order.
    all.sort_by_key(|(instant, component, _)| (*instant, *component));
    all.into_iter().map(|(.., at)| at).collect()
}
