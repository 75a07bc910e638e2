//! What the drivers share: how values look on the wire, and the questions that are not part of the
//! load: how long one may take, and how it is put to all nodes.

use std::time::Duration;

use perjury_history::{Cause, Node, NodeName, Value};
use tokio::task::JoinSet;

use super::Refusal;

/// A question that is not part of the load has a short time limit of its own.
pub(super) async fn limited<T>(asking: impl Future<Output = Result<T, Cause>>) -> Result<T, Cause> {
    tokio::time::timeout(Duration::from_millis(800), asking)
        .await
        .unwrap_or_else(|_| Err(Cause::new("timeout", "no answer")))
}

/// The nodes that say yes, in the order of their names. All are asked at the same time; who does
/// not answer soon has not said yes.
pub(super) async fn who_says_yes<A>(
    nodes: impl IntoIterator<Item = Node>,
    ask: impl Fn(Node) -> A,
) -> Vec<NodeName>
where
    A: Future<Output = Result<bool, Cause>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for node in nodes {
        let (name, asking) = (node.name.clone(), ask(node));
        tasks.spawn(async move { matches!(limited(asking).await, Ok(true)).then_some(name) });
    }
    let mut names: Vec<NodeName> = tasks.join_all().await.into_iter().flatten().collect();
    names.sort();
    names
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
