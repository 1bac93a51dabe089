"""A file system server for tests: shows one flat folder, and answers badly when told to.

Arguments: the folder, the mount point. On stdin: `fault ERRNO PERCENT`, `hang`, `well`, each answered
by a line on stdout. Needs root and /dev/fuse; says `unavailable: …` where it cannot mount.
Speaks the kernel's FUSE protocol 7.31 itself, so that nothing has to be installed.
"""
import ctypes, errno, os, random, stat, struct, sys, threading

SOURCE, MOUNT = sys.argv[1], sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)
state = {"errno": 0, "percent": 0}
well = threading.Event()
well.set()
chance = random.Random(int(sys.argv[3]))

try:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"crmscope-test", MOUNT.encode(), b"fuse", 6, options):
        raise OSError(ctypes.get_errno(), "mount")
except OSError as error:
    print("unavailable:", error, flush=True)
    sys.exit()

nodes = {1: os.open(SOURCE, os.O_PATH)}
handles = {}


def attributes(fd):
    s = os.fstat(fd)
    times = [s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns]
    return struct.pack(
        "<6Q10I", s.st_ino, s.st_size, s.st_blocks, *[t // 10**9 for t in times],
        *[t % 10**9 for t in times], s.st_mode, s.st_nlink, s.st_uid, s.st_gid, 0, 4096, 0)


def lookup(name):
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=nodes[1])
    number = os.fstat(fd).st_ino
    number = number if number != 1 else 2**63
    if number in nodes:
        os.close(nodes[number])
    nodes[number] = fd
    return struct.pack("<4Q2I", number, 0, 0, 0, 0, 0) + attributes(fd)


def open_handle(node, flags):
    fd = os.open(f"/proc/self/fd/{nodes[node]}", flags)
    handles[fd] = fd
    # 1: nothing is kept in the page cache.
    return struct.pack("<QIi", fd, 1, 0)


def entries(fd, offset, size):
    answer = b""
    for place, name in enumerate(sorted(os.listdir(fd)), 1):
        if place <= offset:
            continue
        raw = name.encode()
        entry = struct.pack("<QQII", 2**62 + place, place, len(raw), stat.S_IFREG >> 12) + raw
        entry += b"\0" * (-len(entry) % 8)
        if len(answer) + len(entry) > size:
            break
        answer += entry
    return answer


def answer(operation, node, body):
    if operation == 26:
        return struct.pack("<4I2H2I2H8I", 7, 31, 65536, 0, 16, 12, 65536, 1, 16, 0, *[0] * 8)
    if operation == 38:
        return b""
    if state["errno"] and operation in (1, 3, 14, 15, 27, 28) and chance.randrange(100) < state["percent"]:
        raise OSError(state["errno"], "told to")
    if operation == 1:
        return lookup(body[:-1])
    if operation == 3:
        return struct.pack("<QII", 0, 0, 0) + attributes(nodes[node])
    if operation in (14, 27):
        return open_handle(node, os.O_RDONLY)
    if operation == 15:
        fd, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(fd, size, offset)
    if operation == 28:
        fd, offset, size = struct.unpack_from("<QQI", body)
        return entries(fd, offset, size)
    if operation in (18, 29):
        os.close(handles.pop(struct.unpack_from("<Q", body)[0]))
        return b""
    if operation == 17:
        return struct.pack("<5Q10I", *[0] * 5, 4096, 255, 4096, *[0] * 7)
    raise OSError(errno.ENOSYS, "not here")


def serve():
    while True:
        try:
            request = os.read(device, 1 << 20)
        except OSError as error:
            if error.errno in (errno.EINTR, errno.ENOENT):
                continue
            return
        _, operation, unique, node = struct.unpack_from("<IIQQ", request)
        if operation in (2, 36, 42):
            continue
        well.wait()
        try:
            body, code = answer(operation, node, request[40:]), 0
        except OSError as error:
            body, code = b"", -error.errno
        try:
            os.write(device, struct.pack("<IiQ", 16 + len(body), code, unique) + body)
        except OSError:
            pass


threading.Thread(target=serve, daemon=True).start()
print("mounted", flush=True)
for line in sys.stdin:
    words = line.split()
    if words[0] == "hang":
        well.clear()
    else:
        fault = words[0] == "fault"
        state.update(errno=int(words[1]) if fault else 0, percent=int(words[2]) if fault else 0)
        well.set()
    print("ok", flush=True)
libc.umount2(MOUNT.encode(), 2)
