//! Waits until a time. Timers of the runtime count whole milliseconds, which at thousands of orders a second is more
//! than the time between two of them; where the system has timers of its own that can be waited for, those are used.

use std::time::{Duration, Instant};

use tokio::time::{Instant as TokioInstant, sleep_until};

#[cfg(target_os = "linux")]
use self::fine::Timer;

/// Waits until a time, for one at a time: whoever waited beside would not be woken.
pub(super) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: Option<Timer>,
}

impl Alarm {
    /// An alarm of the runtime that this is called in.
    pub(super) fn new() -> Self {
        Self {
            // Without one it is coarser.
            #[cfg(target_os = "linux")]
            timer: Timer::new().ok(),
        }
    }

    /// Waits; does not wait at all if it is too late.
    pub(super) async fn sleep_until(&mut self, at: Instant) {
        loop {
            let wait = at.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return;
            }
            if !self.has_rung(wait).await {
                return sleep_until(TokioInstant::from_std(at)).await;
            }
        }
    }

    #[cfg(target_os = "linux")]
    async fn has_rung(&self, wait: Duration) -> bool {
        match &self.timer {
            Some(timer) => timer.ring_after(wait).await.is_ok(),
            None => false,
        }
    }

    #[cfg(not(target_os = "linux"))]
    async fn has_rung(&self, _: Duration) -> bool {
        false
    }
}

#[cfg(target_os = "linux")]
mod fine {
    use std::{io::Result, os::fd::OwnedFd, time::Duration};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::{Interest, unix::AsyncFd};

    /// A timer that the runtime waits for as it waits for a connection.
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub(super) fn new() -> Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            #[allow(
                deprecated,
                reason = "it asks for a descriptor that stays open while it is registered, as one that is owned does"
            )]
            let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
            Ok(Self(timer))
        }

        pub(super) async fn ring_after(&self, wait: Duration) -> Result<()> {
            let once = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec::try_from(wait).map_err(std::io::Error::other)?,
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            loop {
                let mut guard = self.0.readable().await?;
                let mut rung = [0; 8];
                if let Ok(read) =
                    guard.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut rung)?))
                {
                    return read.map(drop);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_waits_until_the_time_and_not_before() {
        let mut alarm = Alarm::new();
        let begun = Instant::now();
        for step in 1..=20 {
            let at = begun + Duration::from_micros(300) * step;
            alarm.sleep_until(at).await;
            assert!(Instant::now() >= at);
        }
        let passed = begun - Duration::from_secs(1);
        alarm.sleep_until(passed).await;
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}
