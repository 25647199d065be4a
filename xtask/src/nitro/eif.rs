//! The Enclave Image Format, version 4, as AWS's tools read it, and what a Nitro hypervisor measures of an image.
//!
//! ```text
//! header:   ".eif" | version u16 | flags u16 | memory u64 | cpus u64 | reserved u16 | sections u16
//!           | 32 offsets u64 | 32 sizes u64 | unused u32 | crc32 u32                                     548 bytes
//! section:  type u16 | flags u16 | size u64 | content
//! ```
//!
//! All numbers are big-endian. An offset is that of a section's head, a size that of its content alone. The checksum is
//! over everything but itself; it finds accidents and protects nothing, the measurement does that.
//!
//! `PCR = SHA-384(48 zero bytes || SHA-384(parts))`: PCR0 over kernel, command line and every ramdisk, PCR1 over kernel,
//! command line and the first ramdisk, PCR2 over the other ramdisks. Metadata and defaults are not measured.

use sha2::{Digest as _, Sha384};

const MAGIC: &[u8; 4] = b".eif";
const VERSION: u16 = 4;
/// x86-64.
const FLAGS: u16 = 0;
const MOST_SECTIONS: usize = 32;
const HEADER: usize = 548;
/// For whoever names no other size when he starts the image.
const MEMORY: u64 = 512 << 20;
const CPUS: u64 = 2;

const KERNEL: u16 = 1;
const COMMAND_LINE: u16 = 2;
const RAMDISK: u16 = 3;
const METADATA: u16 = 5;

/// What an image is made of.
pub(super) struct Parts {
    /// A bzImage.
    pub(super) kernel: Vec<u8>,
    pub(super) command_line: String,
    /// JSON for people and for tools that show an image; not measured.
    pub(super) metadata: String,
    /// Modules and folders: measured with the kernel.
    pub(super) system: Vec<u8>,
    /// The program: measured alone.
    pub(super) application: Vec<u8>,
}

/// PCR0, PCR1 and PCR2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pcrs(pub(super) [[u8; 48]; 3]);

impl Parts {
    /// What the hypervisor will measure.
    pub(super) fn pcrs(&self) -> Pcrs {
        let line = self.command_line.as_bytes();
        Pcrs([
            register(&[&self.kernel, line, &self.system, &self.application]),
            register(&[&self.kernel, line, &self.system]),
            register(&[&self.application]),
        ])
    }

    /// Of an image that was written here.
    pub(super) fn read(image: &[u8]) -> Option<Self> {
        let sections = sections(image)?;
        let [
            (KERNEL, kernel),
            (COMMAND_LINE, line),
            (METADATA, metadata),
            (RAMDISK, system),
            (RAMDISK, application),
        ] = sections.as_slice()
        else {
            return None;
        };
        Some(Self {
            kernel: kernel.to_vec(),
            command_line: String::from_utf8(line.to_vec()).ok()?,
            metadata: String::from_utf8(metadata.to_vec()).ok()?,
            system: system.to_vec(),
            application: application.to_vec(),
        })
    }

    /// The image.
    pub(super) fn written(&self) -> Vec<u8> {
        let sections = [
            (KERNEL, self.kernel.as_slice()),
            (COMMAND_LINE, self.command_line.as_bytes()),
            (METADATA, self.metadata.as_bytes()),
            (RAMDISK, &self.system),
            (RAMDISK, &self.application),
        ];
        let mut body = Vec::new();
        let mut offsets = [0u64; MOST_SECTIONS];
        let mut sizes = [0u64; MOST_SECTIONS];
        for (i, (kind, content)) in sections.iter().enumerate() {
            offsets[i] = (HEADER + body.len()) as u64;
            sizes[i] = content.len() as u64;
            body.extend(kind.to_be_bytes());
            body.extend(0u16.to_be_bytes());
            body.extend(sizes[i].to_be_bytes());
            body.extend(*content);
        }
        let mut image = MAGIC.to_vec();
        image.extend(VERSION.to_be_bytes());
        image.extend(FLAGS.to_be_bytes());
        image.extend(MEMORY.to_be_bytes());
        image.extend(CPUS.to_be_bytes());
        image.extend(0u16.to_be_bytes());
        image.extend((sections.len() as u16).to_be_bytes());
        for number in offsets.iter().chain(&sizes) {
            image.extend(number.to_be_bytes());
        }
        image.extend(0u32.to_be_bytes());
        let mut checksum = Crc32::default();
        checksum.update(&image);
        checksum.update(&body);
        image.extend(checksum.value().to_be_bytes());
        image.extend(body);
        image
    }
}

/// Type and content of each section, in their order, as [`Parts::written`] writes them.
fn sections(image: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut sections = Vec::new();
    let mut rest = image.get(HEADER..)?;
    while !rest.is_empty() {
        let (kind, behind) = rest.split_first_chunk()?;
        let (size, behind) = behind.get(2..)?.split_first_chunk()?;
        let size = usize::try_from(u64::from_be_bytes(*size)).ok()?;
        let (content, behind) = behind.split_at_checked(size)?;
        sections.push((u16::from_be_bytes(*kind), content));
        rest = behind;
    }
    Some(sections)
}

/// A register after its one extension.
fn register(parts: &[&[u8]]) -> [u8; 48] {
    let mut content = Sha384::new();
    for part in parts {
        content.update(part);
    }
    let mut register = Sha384::new();
    register.update([0; 48]);
    register.update(content.finalize());
    register.finalize().into()
}

/// The checksum of Ethernet, gzip and this format.
struct Crc32 {
    table: [u32; 256],
    state: u32,
}

impl Default for Crc32 {
    fn default() -> Self {
        let table = std::array::from_fn(|byte| {
            (0..8).fold(byte as u32, |value, _| match value & 1 {
                1 => (value >> 1) ^ 0xedb8_8320,
                _ => value >> 1,
            })
        });
        Self { table, state: !0 }
    }
}

impl Crc32 {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let index = (self.state as u8) ^ byte;
            self.state = (self.state >> 8) ^ self.table[usize::from(index)];
        }
    }

    fn value(&self) -> u32 {
        !self.state
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn parts() -> Parts {
        Parts {
            kernel: b"kernel".to_vec(),
            command_line: "console=ttyS0".to_owned(),
            metadata: "{}".to_owned(),
            system: b"modules".to_vec(),
            application: b"program".to_vec(),
        }
    }

    fn number<const N: usize>(image: &[u8], at: usize) -> u64 {
        image[at..at + N]
            .iter()
            .fold(0, |value, byte| (value << 8) | u64::from(*byte))
    }

    #[test]
    fn the_checksum_is_the_one_that_everybody_computes() {
        let mut checksum = Crc32::default();
        checksum.update(b"1234");
        checksum.update(b"56789");
        assert_eq!(checksum.value(), 0xcbf4_3926);
    }

    #[test]
    fn sections_are_where_the_header_says() {
        let image = parts().written();
        assert_eq!(&image[..8], b".eif\x00\x04\x00\x00");
        assert_eq!(number::<2>(&image, 26), 5);
        let wanted: [(u64, &[u8]); 5] = [
            (1, b"kernel"),
            (2, b"console=ttyS0"),
            (5, b"{}"),
            (3, b"modules"),
            (3, b"program"),
        ];
        let mut end = 548;
        for (i, (kind, content)) in wanted.into_iter().enumerate() {
            let at = number::<8>(&image, 28 + 8 * i) as usize;
            let size = number::<8>(&image, 28 + 256 + 8 * i) as usize;
            assert_eq!(at, end);
            assert_eq!(number::<2>(&image, at), kind);
            assert_eq!(number::<8>(&image, at + 4) as usize, size);
            assert_eq!(&image[at + 12..at + 12 + size], content);
            end = at + 12 + size;
        }
        assert_eq!(image.len(), end);
        let mut checksum = Crc32::default();
        checksum.update(&image[..544]);
        checksum.update(&image[548..]);
        assert_eq!(number::<4>(&image, 544), u64::from(checksum.value()));
    }

    #[test]
    fn an_image_is_read_as_it_was_written() {
        let image = parts().written();
        assert_eq!(Parts::read(&image).unwrap().written(), image);
        assert!(Parts::read(&image[..image.len() - 1]).is_none());
        assert!(Parts::read(&[&image[..], &image[548..]].concat()).is_none());
        assert!(Parts::read(&image[..500]).is_none());
    }

    /// The same by the formula, for one image.
    #[test]
    fn t54_registers_are_over_what_is_named_and_nothing_else() {
        let by_hand = |content: &str| -> [u8; 48] {
            let inner = Sha384::digest(content);
            Sha384::digest([&[0; 48][..], &inner].concat()).into()
        };
        let registers = Pcrs([
            by_hand("kernelconsole=ttyS0modulesprogram"),
            by_hand("kernelconsole=ttyS0modules"),
            by_hand("program"),
        ]);
        assert_eq!(parts().pcrs(), registers);
        let changed = |change: fn(&mut Parts)| {
            let mut parts = parts();
            change(&mut parts);
            let Pcrs(changed) = parts.pcrs();
            [0, 1, 2].map(|i| changed[i] != registers.0[i])
        };
        assert_eq!(changed(|parts| parts.kernel.push(0)), [true, true, false]);
        assert_eq!(
            changed(|parts| parts.command_line.push(' ')),
            [true, true, false]
        );
        assert_eq!(changed(|parts| parts.system.push(0)), [true, true, false]);
        assert_eq!(
            changed(|parts| parts.application.push(0)),
            [true, false, true]
        );
        assert_eq!(changed(|parts| parts.metadata.push(' ')), [false; 3]);
    }
}
