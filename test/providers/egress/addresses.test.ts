import { expect, test } from 'vitest';
import { isPublicAddress } from '../../../providers/egress/addresses.ts';

test.each([
  '8.8.8.8',
  '140.82.112.3',
  '172.15.255.255',
  '172.32.0.1',
  '100.128.0.1',
  '2606:50c0:8000::153',
  '::ffff:8.8.8.8',
])('%s is public', (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test.each([
  ['loopback', '127.0.0.1 127.255.255.255 ::1'],
  ['unspecified', '0.0.0.0 0.1.2.3 ::'],
  ['private', '10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1'],
  ['carrier-grade NAT', '100.64.0.1 100.127.255.255 100.100.100.200'],
  [
    'link-local and metadata',
    '169.254.0.1 169.254.169.254 fe80::1 fe80::1%eth0 fd00:ec2::254 168.63.129.16 192.0.0.192',
  ],
  ['unique local', 'fc00::1 fdff::1 fec0::1'],
  ['multicast and broadcast', '224.0.0.1 239.255.255.255 255.255.255.255 ff02::1'],
  [
    'reserved and documentation',
    '240.0.0.1 192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 192.88.99.1 2001:db8::1 100::1',
  ],
  ['IPv4 inside IPv6', '::ffff:127.0.0.1 ::ffff:a00:1 ::127.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1'],
  ['6to4 and Teredo', '2002:7f00:1:: 2001:0:7f00:1::'],
  ['unassigned', '4000::1 5f00::1'],
  ['no address', 'localhost 1.2.3 ::g'],
])('%s is not public', (_, addresses) => {
  expect(addresses.split(' ').filter(isPublicAddress)).toEqual([]);
});
