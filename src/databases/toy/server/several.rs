//! What a toy primary does with several keys at once: transactions, and a bank.
//!
//! All changes of one call are one line of the log and are made without any pause in between, so
//! whoever reads sees all of them or none. With the planted bug one call in sixteen makes its first
//! change, lets others look, and then makes the rest.

use std::rc::Rc;

use perjury_history::{ACCOUNTS, RESERVE, Value};

use super::super::{Answer, Bug, Say};
use super::{LAG, Node, ONE_IN, replicate};

/// A change that is to be made: what a key will hold, given what it holds then.
type Make = Box<dyn Fn(&Value) -> Value>;

pub(super) async fn put(node: &Rc<Node>, pairs: Vec<(String, Value)>) -> Answer {
    let to = |value: Value| -> Make { Box::new(move |_| value.clone()) };
    change(node, pairs.into_iter().map(|(key, value)| (key, to(value))).collect()).await
}

pub(super) fn get(node: &Node, keys: &[String]) -> Answer {
    node.says(Say::Values(keys.iter().map(|key| node.read(key)).collect()))
}

pub(super) async fn transfer(node: &Rc<Node>, from: String, to: String, amount: i64) -> Answer {
    let held = balance(&node.read(&from));
    if from != RESERVE && held.is_none_or(|held| held < amount) {
        return node.says(Say::Refused("insufficient funds".into()));
    }
    let add = |by: i64| -> Make {
        Box::new(move |held| Value::Int(balance(held).unwrap_or(0).wrapping_add(by)))
    };
    change(node, vec![(from, add(-amount)), (to, add(amount))]).await
}

pub(super) fn accounts(node: &Node) -> Answer {
    let data = node.data.borrow();
    let of_bank = data.iter().filter(|(key, _)| key.starts_with(ACCOUNTS));
    let held = of_bank
        .map(|(key, content)| (key.clone(), content.values.last().cloned().unwrap_or_default()));
    let mut all: Vec<(String, Value)> = held.collect();
    drop(data);
    all.sort();
    node.says(Say::Accounts(all))
}

fn balance(held: &Value) -> Option<i64> {
    match held {
        Value::Nil => Some(0),
        Value::Int(held) => Some(*held),
        Value::Text(_) | Value::Raw(_) => None,
    }
}

async fn change(node: &Rc<Node>, mut makes: Vec<(String, Make)>) -> Answer {
    let torn = node.config.bug == Bug::PartialTransfers
        && (node.last.get() / 2).is_multiple_of(ONE_IN)
        && makes.len() > 1;
    let rest = if torn { makes.split_off(1) } else { Vec::new() };
    let mut number = 0;
    for (place, part) in [makes, rest].into_iter().enumerate() {
        if part.is_empty() {
            continue;
        }
        if place > 0 {
            tokio::time::sleep(LAG / 3).await;
        }
        let replaced = part.iter().map(|(key, make)| (key.clone(), make(&node.read(key)), true));
        let changes = match node.store(replaced.collect()) {
            Ok(changes) => changes,
            Err(error) => return node.says(Say::Lost(format!("log: {error}"))),
        };
        number = changes.last().map_or(number, |change| change.number);
        replicate(node, &changes).await;
    }
    Answer { at: number, ..node.says(Say::Done) }
}
