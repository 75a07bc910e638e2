//! What a person sees while a run goes on: one line for each part of it, and under them a live
//! line, which hides itself when standard error is not a terminal. Then a plain line every ten
//! seconds takes its place, for logs of batch engines.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::runner::{Progress, Watcher};

/// Shows the progress of one run.
pub struct Live {
    begin: Instant,
    ticker: RefCell<Option<Ticker>>,
}

struct Ticker {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Live {
    /// A view on a run that begins now.
    pub fn new() -> Live {
        Live { begin: Instant::now(), ticker: RefCell::new(None) }
    }

    fn quiet(&self) {
        if let Some(ticker) = self.ticker.take() {
            ticker.over.store(true, Relaxed);
            // A panic while drawing is no reason to fail a run.
            let _ = ticker.thread.join();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.quiet();
    }
}

impl Watcher for Live {
    fn part(&self, text: &str) {
        self.quiet();
        eprintln!("[{:6.1} s] {text}", self.begin.elapsed().as_secs_f64());
    }

    fn load(&self, progress: Arc<Progress>, length: Duration) {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let thread = std::thread::spawn(move || show(&progress, length, &stop));
        *self.ticker.borrow_mut() = Some(Ticker { over, thread });
    }
}

fn show(progress: &Progress, length: Duration, over: &AtomicBool) {
    let terminal = std::io::stderr().is_terminal();
    let seconds = length.as_secs().max(1);
    let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(seconds), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos:>4}/{len} s  {msg}") {
        bar.set_style(style);
    }
    let begin = Instant::now();
    let (mut last_count, mut last_time, mut last_line) = (0, begin, begin);
    while !over.load(Relaxed) {
        std::thread::sleep(Duration::from_millis(200));
        let (ok, fail, info) =
            (progress.ok.load(Relaxed), progress.fail.load(Relaxed), progress.info.load(Relaxed));
        let now = Instant::now();
        let span = now.duration_since(last_time).as_secs_f64();
        if span < 1.0 {
            continue;
        }
        let rate = (ok + fail + info - last_count) as f64 / span;
        (last_count, last_time) = (ok + fail + info, now);
        let text = format!("{rate:.0} ops/s  ok {ok}  fail {fail}  info {info}");
        bar.set_position(begin.elapsed().as_secs().min(seconds));
        bar.set_message(text.clone());
        if !terminal && now.duration_since(last_line) >= Duration::from_secs(10) {
            last_line = now;
            eprintln!("[load] {:.0} of {seconds} s  {text}", begin.elapsed().as_secs_f64());
        }
    }
    bar.finish_and_clear();
}
