//! The difference of two objects: copy this part of the base, insert these bytes.

use std::io;

use super::damage;

/// What a difference makes of its base. How much memory that takes, [`result_size`] says.
pub(super) fn apply(base: &[u8], delta: &[u8]) -> io::Result<Vec<u8>> {
    let mut delta = delta;
    if size(&mut delta)? != base.len() {
        return Err(wrong());
    }
    let size = size(&mut delta)?;
    let mut made = Vec::with_capacity(size);
    while let Some(instruction) = next(&mut delta) {
        let part = if instruction & 128 != 0 {
            let offset = number(&mut delta, instruction, 4)?;
            let length = match number(&mut delta, instruction >> 4, 3)? {
                0 => 0x1_0000,
                length => length,
            };
            base.get(offset..offset + length)
        } else {
            let length = usize::from(instruction);
            delta.split_off(..length).filter(|_| length > 0)
        };
        made.extend_from_slice(part.ok_or_else(wrong)?);
        if made.len() > size {
            return Err(wrong());
        }
    }
    if made.len() == size {
        Ok(made)
    } else {
        Err(wrong())
    }
}

/// What a difference says that it makes, in bytes.
pub(super) fn result_size(delta: &[u8]) -> io::Result<usize> {
    let mut delta = delta;
    size(&mut delta)?;
    size(&mut delta)
}

/// Seven bits a byte, the lowest first, until one without the eighth.
fn size(delta: &mut &[u8]) -> io::Result<usize> {
    let mut size = 0;
    for shift in (0..usize::BITS - 7).step_by(7) {
        let byte = next(delta).ok_or_else(wrong)?;
        size |= usize::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Ok(size);
        }
    }
    Err(wrong())
}

/// A number of which only the bytes are there that a bit of `which` stands for.
fn number(delta: &mut &[u8], which: u8, bytes: u32) -> io::Result<usize> {
    let mut number = 0;
    for nth in (0..bytes).filter(|nth| which >> nth & 1 != 0) {
        number |= usize::from(next(delta).ok_or_else(wrong)?) << (8 * nth);
    }
    Ok(number)
}

fn next(delta: &mut &[u8]) -> Option<u8> {
    delta.split_off_first().copied()
}

fn wrong() -> io::Error {
    damage("a difference does not fit its base")
}
