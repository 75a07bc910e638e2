//! What the drivers share: how values look on the wire, and the questions that are not part of the
//! load: how long one may take, and how it is put to all nodes.

use std::time::Duration;

use perjury_history::{Call, Cause, Key, Micro, Node, NodeName, Reply, Value};
use tokio::task::JoinSet;

use super::Refusal;

/// A question that is not part of the load has a short time limit of its own.
pub(super) async fn limited<T>(asking: impl Future<Output = Result<T, Cause>>) -> Result<T, Cause> {
    tokio::time::timeout(Duration::from_millis(800), asking)
        .await
        .unwrap_or_else(|_| Err(Cause::new("timeout", "no answer")))
}

/// What each node answers, in the order of their names. All are asked at the same time; who does
/// not answer soon is left out.
pub(super) async fn ask_all<T, A>(
    nodes: impl IntoIterator<Item = Node>,
    ask: impl Fn(Node) -> A,
) -> Vec<(NodeName, T)>
where
    T: Send + 'static,
    A: Future<Output = Result<T, Cause>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for node in nodes {
        let (name, asking) = (node.name.clone(), ask(node));
        tasks.spawn(async move { Some((name, limited(asking).await.ok()?)) });
    }
    let mut answers: Vec<(NodeName, T)> = tasks.join_all().await.into_iter().flatten().collect();
    answers.sort_by(|left, right| left.0.cmp(&right.0));
    answers
}

/// The nodes that say yes, in the order of their names. Who does not answer soon has not said so.
pub(super) async fn who_says_yes<A>(
    nodes: impl IntoIterator<Item = Node>,
    ask: impl Fn(Node) -> A,
) -> Vec<NodeName>
where
    A: Future<Output = Result<bool, Cause>> + Send + 'static,
{
    ask_all(nodes, ask).await.into_iter().filter_map(|(name, yes)| yes.then_some(name)).collect()
}

/// A value as databases that hold text store it. What would not be the same when it is read again
/// (nil, raw bytes, text that is no seal) is not sent: what the history says was written has to be
/// what was.
pub(super) fn plain(value: &Value) -> Result<String, Refusal> {
    value.encode().ok_or_else(|| {
        let what = format!("{value} cannot be told from something else once it is stored");
        Refusal::Definite(Cause::new("not-encodable", what))
    })
}

/// What a transaction asks, if it only reads or only writes: no other one is sent in one request.
pub(super) enum Steps<'a> {
    Reads(Vec<&'a Key>),
    Writes(Vec<(&'a Key, &'a Value)>),
}

/// The steps of a transaction. The error is definite: it was not sent.
pub(super) fn steps(steps: &[Micro]) -> Result<Steps<'_>, Refusal> {
    let read = steps.iter().map(|step| match step {
        Micro::Read(key, _) => Some(key),
        _ => None,
    });
    let written = steps.iter().map(|step| match step {
        Micro::Write(key, value) => Some((key, value)),
        _ => None,
    });
    let reads = read.collect::<Option<Vec<_>>>().map(Steps::Reads);
    reads.or_else(|| written.collect::<Option<Vec<_>>>().map(Steps::Writes)).ok_or_else(|| {
        let what = "a transaction that reads and writes, or appends";
        Refusal::Definite(Cause::new("unsupported", what))
    })
}

/// The answer to a transaction that only reads, from the values in the order of its steps.
pub(super) fn answered(call: &Call, values: Vec<Value>) -> Option<Reply> {
    let Call::Txn { steps } = call else { return None };
    if steps.len() != values.len() {
        return None;
    }
    let fill = |(step, value): (&Micro, Value)| Micro::Read(step.key().clone(), Some(value));
    Some(Reply::Txn(steps.iter().zip(values).map(fill).collect()))
}

#[cfg(test)]
mod tests {
    use perjury_history::seal::{Form, Seals};

    use super::*;

    #[tokio::test]
    async fn only_those_that_say_yes_in_time_are_named() {
        let names = ["n4", "n1", "n2", "n3"];
        let address = std::net::IpAddr::from([127, 0, 0, 1]);
        let nodes = names.map(|name| Node { name: name.into(), address });
        let ask = |node: Node| async move {
            match node.name.as_str() {
                "n2" => Ok(false),
                "n3" => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    Ok(true)
                }
                _ => Ok(true),
            }
        };
        let expected: [NodeName; 2] = ["n1".into(), "n4".into()];
        assert_eq!(who_says_yes(nodes, ask).await, expected);
    }

    #[test]
    fn what_is_written_is_what_is_read_and_nothing_else_is_written() {
        for form in [Form::Text, Form::Integer] {
            let seals = Seals::of_run("r", "1", form);
            for write in 0..500 {
                let value = seals.seal(&"k".into(), write, 3);
                assert_eq!(Value::parse(plain(&value).unwrap().as_bytes()), value);
            }
        }
        assert_eq!(plain(&Value::Int(-7)).unwrap(), "-7");
        for value in [Value::Nil, Value::from("free text"), Value::Raw([1, 2].as_slice().into())] {
            assert!(matches!(plain(&value), Err(Refusal::Definite(_))), "{value}");
        }
    }
}
