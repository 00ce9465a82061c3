//! A proxy for TCP connections to a server, which lets them suffer.
//!
//! Kafka tells its clients where its brokers are, and they would go there past the proxy. So what it answers is read
//! message by message, and where it names itself the proxy's port is written over its own: host and length stay.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::action::Disturbance;

/// Read at a time.
const BUFFER_BYTES: usize = 64 * 1024;
/// The longest message of Kafka that is looked into; a longer one has records, and is passed on as it is.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest that a connection to the server may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a port that cannot be taken back is left alone.
const REBIND_PAUSE: Duration = Duration::from_millis(20);

/// What connections are to suffer now. The number says how often they have been reset.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Weather {
    resets: u64,
    is_refused: bool,
    is_silent: bool,
    latency: Duration,
}

const FAIR: Weather = Weather {
    resets: 0,
    is_refused: false,
    is_silent: false,
    latency: Duration::ZERO,
};

/// A running proxy; it ends when it is dropped.
pub(super) struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    task: JoinHandle<()>,
}

/// The bytes by which a broker names itself, and those to write over them.
struct Naming {
    own: Vec<u8>,
    proxied: Vec<u8>,
}

impl Proxy {
    /// Begins to pass connections on to `server`, HOST:PORT.
    pub(super) async fn start(server: &str) -> Result<Self> {
        Self::begin(server, false).await
    }

    /// The same for a broker of Kafka. It is reached by the same host name as the broker.
    pub(super) async fn start_for_kafka(broker: &str) -> Result<Self> {
        Self::begin(broker, true).await
    }

    async fn begin(server: &str, is_kafka: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let naming = match is_kafka {
            true => Some(Naming::new(server, address.port())?),
            false => None,
        };
        let (weather, told) = watch::channel(FAIR);
        let route = Arc::new(Route {
            server: server.to_owned(),
            naming,
        });
        let task = tokio::spawn(accept(listener, address, route, told));
        Ok(Self {
            address,
            weather,
            task,
        })
    }

    /// The port on which it is reached.
    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Lets connections suffer from now on.
    pub(super) fn disturb(&self, disturbance: Disturbance) {
        self.weather.send_modify(|weather| match disturbance {
            Disturbance::Reset => weather.resets += 1,
            Disturbance::Refused => {
                weather.resets += 1;
                weather.is_refused = true;
            }
            Disturbance::Slow(latency) => weather.latency = latency,
            Disturbance::Silent => weather.is_silent = true,
        });
    }

    /// Ends what connections suffer.
    pub(super) fn calm(&self) {
        self.weather.send_modify(|weather| {
            *weather = Weather {
                resets: weather.resets,
                ..FAIR
            };
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where connections lead.
struct Route {
    server: String,
    naming: Option<Naming>,
}

async fn accept(
    listener: TcpListener,
    address: SocketAddr,
    route: Arc<Route>,
    mut weather: watch::Receiver<Weather>,
) {
    let mut listener = Some(listener);
    loop {
        let is_refused = weather.borrow_and_update().is_refused;
        if is_refused {
            // Nobody listens: the system refuses.
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
            if listener.is_none() {
                sleep(REBIND_PAUSE).await;
                continue;
            }
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepted => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(pass(client, Arc::clone(&route), weather.clone()));
                }
            }
            changed = weather.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Passes one connection on until an end closes it or it is reset.
async fn pass(mut client: TcpStream, route: Arc<Route>, weather: watch::Receiver<Weather>) {
    let connected = timeout(CONNECT_TIME_MAX, TcpStream::connect(&route.server)).await;
    let Ok(Ok(mut server)) = connected else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut reset = weather.clone();
    let resets = reset.borrow().resets;
    let was_reset = async {
        while reset.changed().await.is_ok() {
            if reset.borrow().resets > resets {
                return;
            }
        }
    };
    let passed = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = copy(from_client, to_server, &weather);
        let back = async {
            match &route.naming {
                Some(naming) => copy_renamed(from_server, to_client, &weather, naming).await,
                None => copy(from_server, to_client, &weather).await,
            }
        };
        tokio::select! {
            () = was_reset => false,
            _ = there => true,
            _ = back => true,
        }
    };
    if !passed {
        // Closed with a reset instead of an orderly end.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    weather: &watch::Receiver<Weather>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        suffer(weather.clone()).await;
        to.write_all(&buffer[..read]).await?;
    }
}

/// The same for what a broker answers: four bytes with a length, and a message.
async fn copy_renamed(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    weather: &watch::Receiver<Weather>,
    naming: &Naming,
) -> std::io::Result<()> {
    loop {
        let length = from.read_u32().await?;
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        to.write_u32(length).await?;
        while left > 0 {
            let mut part = vec![0; left.min(MESSAGE_BYTES_MAX)];
            from.read_exact(&mut part).await?;
            left -= part.len();
            naming.write_over(&mut part);
            suffer(weather.clone()).await;
            to.write_all(&part).await?;
        }
        to.flush().await?;
    }
}

/// Waits as long as the weather says.
async fn suffer(mut weather: watch::Receiver<Weather>) {
    let latency = weather.borrow().latency;
    if !latency.is_zero() {
        sleep(latency).await;
    }
    // If the proxy has ended, so will the connection.
    let _ = weather.wait_for(|weather| !weather.is_silent).await;
}

impl Naming {
    fn new(broker: &str, port: u16) -> Result<Self> {
        let (host, own) = broker
            .rsplit_once(':')
            .with_context(|| format!("{broker} is not HOST:PORT"))?;
        let own: u16 = own
            .parse()
            .with_context(|| format!("the port of {broker}"))?;
        let named = |port: u16| [host.as_bytes(), &u32::from(port).to_be_bytes()].concat();
        Ok(Self {
            own: named(own),
            proxied: named(port),
        })
    }

    fn write_over(&self, message: &mut [u8]) {
        let length = self.own.len();
        let mut at = 0;
        while at + length <= message.len() {
            if message[at..at + length] == self.own[..] {
                message[at..at + length].copy_from_slice(&self.proxied);
                at += length;
            } else {
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A server that says everything back, and where it is.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        address
    }

    async fn say(stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(b"hello").await?;
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await?;
        assert_eq!(&heard, b"hello");
        Ok(())
    }

    #[tokio::test]
    async fn connections_pass_are_reset_and_are_refused_until_it_is_calm_again() {
        let proxy = Proxy::start(&echo().await).await.unwrap();
        let connect = || TcpStream::connect(("127.0.0.1", proxy.port()));
        let mut stream = connect().await.unwrap();
        say(&mut stream).await.unwrap();
        proxy.disturb(Disturbance::Reset);
        assert!(stream.read_u8().await.is_err(), "it was reset");
        let mut stream = connect().await.unwrap();
        say(&mut stream).await.unwrap();
        proxy.disturb(Disturbance::Refused);
        assert!(stream.read_u8().await.is_err(), "it was reset");
        sleep(Duration::from_millis(50)).await;
        assert!(connect().await.is_err(), "it is refused");
        proxy.calm();
        sleep(Duration::from_millis(50)).await;
        say(&mut connect().await.unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_slow_arrives_late_and_what_is_silent_when_it_is_calm_again() {
        let proxy = Proxy::start(&echo().await).await.unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port()))
            .await
            .unwrap();
        say(&mut stream).await.unwrap();
        proxy.disturb(Disturbance::Slow(Duration::from_millis(40)));
        let begun = tokio::time::Instant::now();
        say(&mut stream).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(80));
        proxy.disturb(Disturbance::Silent);
        let silent = timeout(Duration::from_millis(300), say(&mut stream)).await;
        assert!(silent.is_err(), "nothing arrives");
        proxy.calm();
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await.unwrap();
    }

    #[test]
    fn a_broker_that_names_itself_is_given_the_port_of_the_proxy() {
        let naming = Naming::new("127.0.0.1:9092", 0x1234).unwrap();
        let mut message = b"..127.0.0.1\0\0\x23\x84..127.0.0.1\0\0\x23\x85".to_vec();
        naming.write_over(&mut message);
        assert_eq!(message, b"..127.0.0.1\0\0\x12\x34..127.0.0.1\0\0\x23\x85");
        assert!(Naming::new("kafka", 1).is_err());
    }
}
