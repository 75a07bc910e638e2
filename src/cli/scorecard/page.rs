//! A card as a page: Markdown that reads well as text.

use std::collections::BTreeSet;

use perjury_history::{Nanos, NodeName, Verdict};

use super::cell::{Cell, Property};
use super::strategy::{self, Strategy};
use super::sweep::{Card, NONE};
use super::text::Table;

/// The page of a card.
pub(super) fn page(card: &Card) -> String {
    let exempt = match &card.exempt {
        Some(exempt) => format!(" Exempt from it: {exempt}."),
        None => String::new(),
    };
    format!(
        "# Scorecard: {}\n\n{}, {} nodes. Promise: {} ({}).{exempt}\n\n\
         ## The smallest f that broke it\n\n{}\n{}\n{LEGEND}\n\n\
         ## What the nodes did\n\n{}\n## The runs\n\n{}\n{TIMES}\n\n    {}\n",
        card.database,
        card.version,
        card.nodes,
        card.promise,
        card.source,
        smallest(card),
        inside(card),
        meanings(card),
        runs(card),
        card.command,
    )
}

/// [`super::cell::LIVE`] is the half.
const LEGEND: &str = "\
A number is the smallest number of faulty nodes with which a run broke the property; `> f` says that
no run with up to f of them did, of the runs below, and nothing more; `unknown` that too little was
answered to say so; `not tested` that no lie was told. *Liveness* is broken where less than half of
the calls that clients of other nodes made while the fault was on were answered. *Claimed* is how
many such nodes the database says to withstand, *theory* what any protocol of n nodes can: crashes
⌊(n−1)/2⌋, liars ⌊(n−1)/3⌋; where liars are withstood, what one of them says of its own copy
breaks nothing. The anomalies behind the columns: docs/byzantine-anomalies.md.";

const TIMES: &str = "\
Times count from the first lie: given to a client, noticed by the database in an answer, proved by
the record. *told* counts lies, *given* those that a client is known to have been given.";

/// The strategies that the card has, in their order.
fn rows(card: &Card) -> impl Iterator<Item = &'static Strategy> {
    let made: BTreeSet<&str> = card.cells.iter().map(|cell| cell.name.lie.as_str()).collect();
    let made: BTreeSet<String> = made.into_iter().map(str::to_owned).collect();
    strategy::ALL.iter().filter(move |one| made.contains(one.name))
}

fn smallest(card: &Card) -> String {
    let mut head = vec!["f nodes"];
    head.extend(Property::ALL.map(Property::name));
    head.extend(["claimed", "theory"]);
    let mut table = Table::new(&head);
    let mut least = [None; Property::ALL.len()];
    let theory = |byzantine: bool| {
        let most = card.nodes.saturating_sub(1) / if byzantine { 3 } else { 2 };
        most.to_string()
    };
    for strategy in rows(card) {
        let mut row = vec![strategy.name.to_owned()];
        for (at, property) in Property::ALL.into_iter().enumerate() {
            let cell = Smallest::of(card, strategy.name, property);
            let counts = strategy.is_byzantine() && card.withstood(strategy).is_some();
            if let (Smallest::Broken(f), true) = (&cell, counts) {
                least[at] = Some(least[at].map_or(*f, |least: usize| least.min(*f)));
            }
            row.push(cell.text());
        }
        let claimed = card.withstood(strategy).map_or_else(|| "–".into(), |f| f.to_string());
        row.extend([claimed, theory(strategy.is_byzantine())]);
        table.row(row);
    }
    let shown = |least: Option<usize>| least.map_or_else(|| "–".to_owned(), |f| f.to_string());
    let last = std::iter::once("any lie".to_owned()).chain(least.into_iter().map(shown));
    table.row(last.chain([card.claimed.to_string(), theory(true)]));
    table.markdown()
}

/// What was broken by no more nodes than the database claims to withstand.
fn inside(card: &Card) -> String {
    let exempt = if card.exempt.is_some() { ", unless that is exempt from it" } else { "" };
    let mut text = String::new();
    for strategy in rows(card) {
        for property in Property::ALL {
            let smallest = Smallest::of(card, strategy.name, property);
            let (Some(claimed), Smallest::Broken(f)) = (card.withstood(strategy), smallest) else {
                continue;
            };
            if f <= claimed {
                let (lie, property, measured) =
                    (strategy.name, property.name(), f.saturating_sub(1));
                text += &format!(
                    "- Inside the claim{exempt}: *{lie}* with f = {f} breaks {property}. \
                     **Claimed f: {claimed}, measured f: {measured}.**\n"
                );
            }
        }
    }
    if text.is_empty() {
        text += "Nothing was broken inside the claim.\n";
    }
    if let Some(why) = &card.requests {
        text += &format!("\nOf *alter* the claim says nothing: {why}.\n");
    }
    text
}

/// A cell of the table.
enum Smallest {
    /// So few broke it.
    Broken(usize),
    /// So many did not.
    Held(usize),
    /// Too little happened to say so.
    Unknown,
    NotTested,
}

impl Smallest {
    /// Without anybody lying counts as f = 0.
    fn of(card: &Card, lie: &str, property: Property) -> Smallest {
        let of = |cell: &&Cell| cell.name.lie == lie || cell.name.lie == NONE;
        let cells = || card.cells.iter().filter(of);
        let tested = |cell: &&Cell| cell.not_tested.is_none();
        let broken = cells().filter(tested).filter(|cell| cell.broken.contains_key(&property));
        // Liveness is measured, whatever the verdict.
        let known =
            |cell: &&Cell| property == Property::Liveness || cell.verdict != Verdict::Unknown;
        let held = cells().filter(tested).filter(known).map(|cell| cell.name.f).max();
        let tried = cells().filter(tested).any(|cell| cell.name.f > 0);
        match (broken.map(|cell| cell.name.f).min(), held) {
            (Some(f), _) => Smallest::Broken(f),
            (None, Some(f)) if f > 0 => Smallest::Held(f),
            _ if tried => Smallest::Unknown,
            _ => Smallest::NotTested,
        }
    }

    fn text(&self) -> String {
        match self {
            Smallest::Broken(f) => f.to_string(),
            Smallest::Held(f) => format!("> {f}"),
            Smallest::Unknown => "unknown".into(),
            Smallest::NotTested => "not tested".into(),
        }
    }
}

fn meanings(card: &Card) -> String {
    rows(card).map(|strategy| format!("- *{}*: they {}\n", strategy.name, strategy.what)).collect()
}

fn runs(card: &Card) -> String {
    let head = [
        "lie",
        "f",
        "seed",
        "verdict",
        "lies",
        "told",
        "given",
        "charged",
        "given after",
        "noticed after",
        "proved after",
        "answered",
        "run",
    ];
    let mut table = Table::new(&head);
    for cell in &card.cells {
        let seconds = |time: Option<Nanos>| match time {
            Some(time) => format!("{:.3} s", time as f64 / 1e9),
            None => "–".to_owned(),
        };
        let charged: Vec<&str> = cell.charged.iter().map(NodeName::as_str).collect();
        table.row([
            cell.name.lie.clone(),
            cell.name.f.to_string(),
            cell.name.seed.clone(),
            cell.verdict.to_string(),
            cell.outcome(),
            cell.told.to_string(),
            cell.accepted.to_string(),
            charged.join(" "),
            seconds(cell.seen_after),
            seconds(cell.noticed_after),
            seconds(cell.proved_after),
            format!("{} of {}", cell.answered, cell.asked),
            cell.run.clone(),
        ]);
    }
    let mut text = table.markdown();
    for cell in &card.cells {
        let (lie, f) = (&cell.name.lie, cell.name.f);
        if let Some(why) = &cell.not_tested {
            text += &format!("\n- {lie}, f = {f}: not tested: {}\n", escaped(why));
        }
        if let Some(sign) = &cell.sign {
            text += &format!("\n- {lie}, f = {f}: noticed: `{}`\n", escaped(sign));
        }
    }
    text
}

/// Text of a database on one line, without the marks that would end a piece of code.
fn escaped(text: &str) -> String {
    text.replace(['`', '<', '>'], "'").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use perjury_history::Fate;

    use super::super::cell::Name;
    use super::*;

    fn cell(lie: &str, f: usize, broken: &[Property], tested: bool) -> Cell {
        Cell {
            name: Name { lie: lie.into(), f, seed: "1".into() },
            run: format!("{lie}-{f}"),
            verdict: Verdict::Valid,
            not_tested: (!tested).then(|| "TLS `here` | <b>".into()),
            broken: broken.iter().map(|property| (*property, 1)).collect::<BTreeMap<_, _>>(),
            asked: 10,
            answered: 9,
            fate: tested.then_some(Fate::Masked),
            told: 1,
            accepted: 0,
            charged: vec!["n1".into()],
            seen_after: None,
            noticed_after: None,
            proved_after: Some(1_500_000_000),
            sign: None,
        }
    }

    fn card(cells: Vec<Cell>) -> Card {
        Card {
            schema: 1,
            database: "db".into(),
            version: "1.0".into(),
            command: "perjury scorecard db".into(),
            promise: "all".into(),
            source: "here".into(),
            exempt: None,
            requests: Some("nobody signs".into()),
            nodes: 4,
            claimed: 1,
            claimed_crashes: 1,
            workload: "register".into(),
            time_limit_ms: 1000,
            cells,
        }
    }

    fn smallest(cells: Vec<Cell>, lie: &str) -> String {
        Smallest::of(&card(cells), lie, Property::Order).text()
    }

    #[test]
    fn the_smallest_f_counts_and_what_was_not_tested_is_no_pass() {
        let order: &[Property] = &[Property::Order];
        let held = || vec![cell(NONE, 0, &[], true), cell("forge", 1, &[], true)];
        assert_eq!(smallest(held(), "forge"), "> 1");
        let broken = [held(), vec![cell("forge", 2, order, true), cell("forge", 3, order, true)]];
        assert_eq!(smallest(broken.concat(), "forge"), "2");
        let idle = || vec![cell(NONE, 0, &[], true), cell("forge", 1, &[], false)];
        assert_eq!(smallest(idle(), "forge"), "not tested");
        assert_eq!(smallest(vec![cell(NONE, 0, order, true)], "forge"), "0", "nobody has to lie");
        let mut doubtful = held();
        doubtful[1].verdict = Verdict::Unknown;
        assert_eq!(smallest(doubtful, "forge"), "unknown");
        let dead = vec![cell("crash", 1, &[Property::Liveness], true)];
        let dead = self::page(&card(dead));
        assert!(dead.contains("*crash* with f = 1 breaks liveness. **Claimed f: 1, measured f: 0"));
        let altered = self::page(&card(vec![cell("alter", 1, &[Property::Order], true)]));
        assert!(altered.contains("Nothing was broken inside the claim."), "{altered}");
        assert!(altered.contains("Of *alter* the claim says nothing: nobody signs."), "{altered}");
        let page = page(&card(idle()));
        assert!(page.contains("Nothing was broken inside the claim"), "{page}");
        assert!(page.contains("| forge   | not tested"), "{page}");
        assert!(page.contains("not tested: TLS 'here' | 'b'"), "{page}");
        assert!(page.contains("1.500 s"), "{page}");
    }
}
