//! AES-256 in CBC mode and scrypt, for `encryptAES`, `decryptAES` and `derivePassword`: too little to add crates for.
//!
//! In: keys and bytes. Out: bytes. Tables are computed, not constant-time: what passes here is in a template anyway.

use std::sync::LazyLock;

use ring::{hmac, pbkdf2};

/// The bytes of an AES block.
pub(super) const BLOCK: usize = 16;
const ROUNDS: usize = 14;

struct Tables {
    forward: [u8; 256],
    inverse: [u8; 256],
}

/// AES's substitution: the inverse in GF(2^8), then an affine map.
static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables { forward: [0; 256], inverse: [0; 256] };
    let (mut p, mut q) = (1u8, 1u8);
    loop {
        p = p ^ double(p);
        q ^= q << 1;
        q ^= q << 2;
        q ^= q << 4;
        if q & 0x80 != 0 {
            q ^= 0x09;
        }
        let value = q ^ q.rotate_left(1) ^ q.rotate_left(2) ^ q.rotate_left(3) ^ q.rotate_left(4) ^ 0x63;
        tables.forward[usize::from(p)] = value;
        if p == 1 {
            break;
        }
    }
    tables.forward[0] = 0x63;
    for (i, value) in tables.forward.into_iter().enumerate() {
        tables.inverse[usize::from(value)] = i as u8;
    }
    tables
});

fn double(x: u8) -> u8 {
    (x << 1) ^ if x & 0x80 != 0 { 0x1b } else { 0 }
}

fn times(x: u8, factor: u8) -> u8 {
    let (mut x, mut out) = (x, 0);
    for bit in 0..4 {
        if factor & (1 << bit) != 0 {
            out ^= x;
        }
        x = double(x);
    }
    out
}

type Block = [u8; BLOCK];

fn round_keys(key: &[u8; 32]) -> [Block; ROUNDS + 1] {
    let mut words = [[0u8; 4]; 4 * (ROUNDS + 1)];
    for (word, bytes) in words.iter_mut().zip(key.chunks_exact(4)) {
        word.copy_from_slice(bytes);
    }
    let mut constant = 1u8;
    for i in 8..words.len() {
        let mut word = words[i - 1];
        if i % 8 == 0 {
            word.rotate_left(1);
        }
        if i % 4 == 0 {
            word = word.map(|b| TABLES.forward[usize::from(b)]);
        }
        if i % 8 == 0 {
            word[0] ^= constant;
            constant = double(constant);
        }
        for (byte, before) in word.iter_mut().zip(words[i - 8]) {
            *byte ^= before;
        }
        words[i] = word;
    }
    let mut keys = [[0; BLOCK]; ROUNDS + 1];
    for (key, words) in keys.iter_mut().zip(words.chunks_exact(4)) {
        key.copy_from_slice(words.as_flattened());
    }
    keys
}

fn xor(block: &mut Block, other: &[u8]) {
    block.iter_mut().zip(other).for_each(|(a, b)| *a ^= b);
}

/// Moves row r of the state, which is stored by columns, by r columns.
fn shift_rows(block: &Block, inverse: bool) -> Block {
    std::array::from_fn(|i| {
        let (row, column) = (i % 4, i / 4);
        let from = if inverse { column + 4 - row } else { column + row };
        block[(from % 4) * 4 + row]
    })
}

fn mix_columns(block: &Block, factors: [u8; 4]) -> Block {
    std::array::from_fn(|i| {
        let column = &block[i / 4 * 4..i / 4 * 4 + 4];
        (0..4).fold(0, |sum, j| sum ^ times(column[j], factors[(j + 4 - i % 4) % 4]))
    })
}

fn encrypt_block(keys: &[Block; ROUNDS + 1], block: &mut Block) {
    xor(block, &keys[0]);
    for (round, key) in keys.iter().enumerate().skip(1) {
        *block = shift_rows(&block.map(|b| TABLES.forward[usize::from(b)]), false);
        if round < ROUNDS {
            *block = mix_columns(block, [2, 3, 1, 1]);
        }
        xor(block, key);
    }
}

fn decrypt_block(keys: &[Block; ROUNDS + 1], block: &mut Block) {
    for (round, key) in keys.iter().enumerate().skip(1).rev() {
        xor(block, key);
        if round < ROUNDS {
            *block = mix_columns(block, [14, 11, 13, 9]);
        }
        *block = shift_rows(block, true).map(|b| TABLES.inverse[usize::from(b)]);
    }
    xor(block, &keys[0]);
}

/// Encrypts whole blocks in place.
pub(super) fn encrypt_cbc(key: &[u8; 32], iv: Block, text: &mut [u8]) {
    let keys = round_keys(key);
    let mut before = iv;
    for chunk in text.chunks_exact_mut(BLOCK) {
        xor(&mut before, chunk);
        encrypt_block(&keys, &mut before);
        chunk.copy_from_slice(&before);
    }
}

/// Decrypts whole blocks in place.
pub(super) fn decrypt_cbc(key: &[u8; 32], iv: Block, text: &mut [u8]) {
    let keys = round_keys(key);
    let mut before = iv;
    for chunk in text.chunks_exact_mut(BLOCK) {
        let mut block = [0; BLOCK];
        block.copy_from_slice(chunk);
        let encrypted = block;
        decrypt_block(&keys, &mut block);
        xor(&mut block, &before);
        chunk.copy_from_slice(&block);
        before = encrypted;
    }
}

const SCRYPT_BLOCK_SIZE: usize = 8;
const WORDS: usize = 32 * SCRYPT_BLOCK_SIZE;

/// scrypt (RFC 7914) with r = 8: `cost` is N, a power of two.
pub(super) fn scrypt(password: &[u8], salt: &[u8], cost: usize, parallel: usize, out: &mut [u8]) {
    let once = std::num::NonZeroU32::MIN;
    let mut bytes = vec![0; parallel * WORDS * 4];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, once, salt, password, &mut bytes);
    let mut memory = vec![[0u32; WORDS]; cost];
    for lane in bytes.chunks_exact_mut(WORDS * 4) {
        let mut x = [0u32; WORDS];
        for (word, bytes) in x.iter_mut().zip(lane.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        for slot in &mut memory {
            *slot = x;
            x = mix_block(&x);
        }
        for _ in 0..cost {
            let slot = x[WORDS - 16] as usize % cost;
            x.iter_mut().zip(&memory[slot]).for_each(|(a, b)| *a ^= b);
            x = mix_block(&x);
        }
        for (bytes, word) in lane.as_chunks_mut::<4>().0.iter_mut().zip(x) {
            *bytes = word.to_le_bytes();
        }
    }
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, once, &bytes, password, out);
}

fn mix_block(block: &[u32; WORDS]) -> [u32; WORDS] {
    let mut out = [0u32; WORDS];
    let mut x = [0u32; 16];
    x.copy_from_slice(&block[WORDS - 16..]);
    for (i, chunk) in block.as_chunks::<16>().0.iter().enumerate() {
        x.iter_mut().zip(chunk).for_each(|(a, b)| *a ^= b);
        salsa20_8(&mut x);
        // Even ones come first, then odd ones.
        let place = (i / 2 + i % 2 * SCRYPT_BLOCK_SIZE) * 16;
        out[place..place + 16].copy_from_slice(&x);
    }
    out
}

/// Written out, as a debug build is slow at anything else, and this runs two million times a password.
fn salsa20_8(block: &mut [u32; 16]) {
    macro_rules! quarter {
        ($x:ident, $a:literal, $b:literal, $c:literal, $d:literal) => {
            $x[$b] ^= $x[$a].wrapping_add($x[$d]).rotate_left(7);
            $x[$c] ^= $x[$b].wrapping_add($x[$a]).rotate_left(9);
            $x[$d] ^= $x[$c].wrapping_add($x[$b]).rotate_left(13);
            $x[$a] ^= $x[$d].wrapping_add($x[$c]).rotate_left(18);
        };
    }
    let mut x = *block;
    for _ in 0..4 {
        quarter!(x, 0, 4, 8, 12);
        quarter!(x, 5, 9, 13, 1);
        quarter!(x, 10, 14, 2, 6);
        quarter!(x, 15, 3, 7, 11);
        quarter!(x, 0, 1, 2, 3);
        quarter!(x, 5, 6, 7, 4);
        quarter!(x, 10, 11, 8, 9);
        quarter!(x, 15, 12, 13, 14);
    }
    let mut i = 0;
    while i < 16 {
        block[i] = block[i].wrapping_add(x[i]);
        i += 1;
    }
}

/// HMAC-SHA-256.
pub(super) fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_gives_the_standards_example() {
        // FIPS 197, appendix C.3.
        let key: [u8; 32] = std::array::from_fn(|i| i as u8);
        let mut text: Block = std::array::from_fn(|i| (i * 0x11) as u8);
        let plain = text;
        encrypt_cbc(&key, [0; BLOCK], &mut text);
        assert_eq!(data_encoding::HEXLOWER.encode(&text), "8ea2b7ca516745bfeafc49904b496089");
        decrypt_cbc(&key, [0; BLOCK], &mut text);
        assert_eq!(text, plain);
    }

    #[test]
    fn scrypt_gives_the_standards_example() {
        // RFC 7914, section 12, the second vector.
        let mut out = [0; 64];
        scrypt(b"password", b"NaCl", 1024, 16, &mut out);
        assert!(data_encoding::HEXLOWER.encode(&out).starts_with("fdbabe1c9d3472007856e7190d01e9fe"));
    }
}
