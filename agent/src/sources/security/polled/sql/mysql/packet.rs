//! Packets: up to 16 MiB each, with a number; a longer message goes on in the next one.

use super::super::super::connect::{Stream, TrustCache};
use super::super::wire::{SqlError, VALUE_MAX_BYTES, Wire, text};

/// A packet of this length goes on in the next.
const FULL: usize = 0xff_ffff;

/// Packets to and from a server.
pub(super) struct Packets {
    wire: Wire,
    /// Number of the next one.
    number: u8,
    /// Bytes of the present message that are not read, and whether it goes on behind them.
    left: usize,
    goes_on: bool,
}

impl Packets {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            wire: Wire::new(stream),
            number: 0,
            left: 0,
            goes_on: false,
        }
    }

    /// The same over TLS, with the numbers going on.
    pub(super) async fn secured(
        self,
        name: &str,
        trust: &mut TrustCache,
    ) -> Result<Self, SqlError> {
        let stream = self.wire.into_stream()?;
        let stream = trust.handshake(name, &[], stream).await;
        Ok(Self {
            number: self.number,
            ..Self::new(Box::new(stream.map_err(SqlError::Other)?))
        })
    }

    /// Begins a command: numbers begin anew.
    pub(super) fn begin(&mut self) {
        self.number = 0;
    }

    /// Sends one packet; what is sent here is short.
    pub(super) async fn send(&mut self, body: &[u8]) -> Result<(), SqlError> {
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let [a, b, c, 0] = length.to_le_bytes() else {
            return Err(SqlError::Other("a message beyond 16 MiB".to_owned()));
        };
        let head = [a, b, c, self.number];
        self.number = self.number.wrapping_add(1);
        self.wire.send(&[&head, body].concat()).await
    }

    async fn header(&mut self) -> Result<(), SqlError> {
        let [a, b, c, number] = self.wire.array().await?;
        if number != self.number {
            return Err(SqlError::protocol("a packet out of order"));
        }
        self.number = self.number.wrapping_add(1);
        let length = u32::from_le_bytes([a, b, c, 0]);
        self.left = usize::try_from(length).unwrap_or(usize::MAX);
        self.goes_on = self.left == FULL;
        Ok(())
    }

    /// A whole packet, up to a bound.
    pub(super) async fn packet(&mut self, max_bytes: usize) -> Result<Vec<u8>, SqlError> {
        self.header().await?;
        if self.left > max_bytes {
            return Err(SqlError::protocol("a packet beyond 64 KiB"));
        }
        let left = std::mem::take(&mut self.left);
        self.wire.bytes(left).await
    }

    async fn byte(&mut self) -> Result<u8, SqlError> {
        while self.left == 0 {
            if !self.goes_on {
                return Err(SqlError::protocol("a row that does not fit its length"));
            }
            self.header().await?;
        }
        self.left -= 1;
        self.wire.byte().await
    }

    async fn number(&mut self, bytes: usize) -> Result<u64, SqlError> {
        let mut number = 0;
        for place in 0..bytes {
            number |= u64::from(self.byte().await?) << (8 * place);
        }
        Ok(number)
    }

    /// The next row; `None` at the end.
    pub(super) async fn row(
        &mut self,
        columns: usize,
    ) -> Result<Option<Vec<Option<String>>>, SqlError> {
        self.header().await?;
        let mut row = Vec::with_capacity(columns);
        for place in 0..columns {
            let first = self.byte().await?;
            let length = match first {
                0xfe if place == 0 && self.left < 8 && !self.goes_on => {
                    let left = std::mem::take(&mut self.left);
                    self.wire.skip(left).await?;
                    return Ok(None);
                }
                0xff if place == 0 => {
                    let kept = self.left.min(VALUE_MAX_BYTES);
                    let body = self.wire.bytes(kept).await?;
                    return Err(SqlError::Server(refusal(&body)));
                }
                0xfb => {
                    row.push(None);
                    continue;
                }
                0xfc => self.number(2).await?,
                0xfd => self.number(3).await?,
                0xfe => self.number(8).await?,
                0xff => return Err(SqlError::protocol("a length that is none")),
                short => u64::from(short),
            };
            row.push(Some(self.value(length).await?));
        }
        if self.left > 0
            || self.goes_on && {
                self.header().await?;
                self.left > 0
            }
        {
            return Err(SqlError::protocol("a row with more columns"));
        }
        Ok(Some(row))
    }

    /// The beginning of a value, which may go on over many packets.
    async fn value(&mut self, mut length: u64) -> Result<String, SqlError> {
        let mut kept = Vec::new();
        while length > 0 {
            while self.left == 0 {
                if !self.goes_on {
                    return Err(SqlError::protocol("a value beyond its row"));
                }
                self.header().await?;
            }
            let part = usize::try_from(length).unwrap_or(usize::MAX).min(self.left);
            let wanted = part.min(VALUE_MAX_BYTES - kept.len());
            kept.extend(self.wire.bytes(wanted).await?);
            self.wire.skip(part - wanted).await?;
            self.left -= part;
            length -= part as u64;
        }
        Ok(text(&kept))
    }
}

/// Code and text of an error, behind its first byte.
pub(super) fn refusal(body: &[u8]) -> String {
    let Some((code, rest)) = body.split_first_chunk::<2>() else {
        return String::new();
    };
    // A mark and five letters of the SQL standard.
    let said = match rest.split_first() {
        Some((b'#', rest)) => rest.get(5..).unwrap_or_default(),
        _ => rest,
    };
    format!("{} ({})", text(said), u16::from_le_bytes(*code))
}

/// Values of one packet, read from its beginning.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], SqlError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| SqlError::protocol("a packet that ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn little(&mut self, bytes: usize) -> Result<u64, SqlError> {
        let taken = self.take(bytes)?;
        let places = taken.iter().rev();
        Ok(places.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A number of 1 to 9 bytes.
    pub(super) fn number(&mut self) -> Result<u64, SqlError> {
        match self.little(1)? {
            0xfc => self.little(2),
            0xfd => self.little(3),
            0xfe => self.little(8),
            0xfb | 0xff => Err(SqlError::protocol("a length that is none")),
            short => Ok(short),
        }
    }

    /// Bytes with their length ahead.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], SqlError> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        self.take(length)
    }

    /// Bytes up to a zero, or to the end.
    pub(super) fn until_zero(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| byte == 0);
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.get(1..).unwrap_or_default();
        taken
    }

    /// A number of two bytes.
    pub(super) fn short(&mut self) -> Result<u32, SqlError> {
        let [a, b] = self.take(2)? else {
            return Err(SqlError::protocol("a packet that ends early"));
        };
        Ok(u32::from(u16::from_le_bytes([*a, *b])))
    }
}
