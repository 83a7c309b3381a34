//! The thread that spawns all children: the kernel ends a child when the thread
//! that spawned it ends, so this one never does.

use std::io;
use std::process::{self, Command};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;

/// The thread that all children are spawned by. It never ends.
pub(super) struct Spawner {
    requests: mpsc::Sender<SpawnRequest>,
}

struct SpawnRequest {
    command: Command,
    answer: mpsc::SyncSender<io::Result<process::Child>>,
}

impl Spawner {
    pub(super) fn global() -> io::Result<&'static Self> {
        static SPAWNER: OnceLock<Spawner> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        if let Some(spawner) = SPAWNER.get() {
            return Ok(spawner);
        }
        let _starting = lock(&STARTING);
        if let Some(spawner) = SPAWNER.get() {
            return Ok(spawner);
        }
        let spawner = Self::start()?;
        Ok(SPAWNER.get_or_init(|| spawner))
    }

    fn start() -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel::<SpawnRequest>();
        thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                for mut request in inbox {
                    let spawned = request.command.spawn();
                    if let Err(mpsc::SendError(Ok(mut orphan))) = request.answer.send(spawned) {
                        // Its caller is gone; both may fail only
                        // when it has ended by itself.
                        let _ = orphan.kill();
                        let _ = orphan.wait();
                    }
                }
            })?;
        Ok(Self { requests })
    }

    pub(super) fn spawn(&self, command: Command) -> io::Result<process::Child> {
        let gone = || io::Error::other("the spawning thread is gone");
        let (answer, answered) = mpsc::sync_channel(1);
        self.requests
            .send(SpawnRequest { command, answer })
            .map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}

/// A poisoned lock only means that another thread panicked; what it guards
/// here is a plain value that is always whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
