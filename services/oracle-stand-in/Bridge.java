import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.h2.api.Trigger;

/**
 * H2 behind a socket: one connection to it is one session of the database. engine.ts is the other end. Numbers are big-endian.
 *
 *   login     := str(user)
 *   request   := 1 str(sql) count:2 rows:4 continue:1 value*          a statement, once or for each row of binds
 *              | 2 | 3                                                commit, rollback
 *              | 5 str(sql)                                           a statement that defines something, and commits
 *   answer    := length:4 ( 0 | 1 result | 2 counts | 9 row:4 error )
 *   result    := columns:2 (str(name) type:4 precision:4 scale:4 nullable:1)* rows:4 value*
 *   counts    := n:4 count:4* n:4 (row:4 error)*
 *   error     := str(sqlstate) code:4 str(message)
 *   value     := 0 | 1 str | 2 str(decimal) | 3 n:4 byte* | 4 str(time) | 5 str(time with offset) | 6 double:8
 *   str       := n:4 UTF-8
 *
 * Arguments: the folder of the database, the password that H2's users have. Prints READY and its port. Ends with its standard input.
 */
public class Bridge {
  static final int EXECUTE = 1, COMMIT = 2, ROLLBACK = 3, DEFINE = 5;
  static final int STATEMENTS = 50;
  /** Of the whole database. Oracle waits for a lock without end. */
  static final String SETTINGS = ";MODE=Oracle;DB_CLOSE_DELAY=-1;WRITE_DELAY=0;DEFAULT_NULL_ORDERING=HIGH;CACHE_SIZE=65536"
      + ";DEFAULT_LOCK_TIMEOUT=600000";
  static final int ALREADY_OPEN = 90020;

  final Connection connection;
  final DataInputStream in;
  final DataOutputStream out;
  final Map<String, PreparedStatement> statements =
      new LinkedHashMap<>(64, .75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, PreparedStatement> eldest) {
          if (size() <= STATEMENTS) return false;
          closeQuietly(eldest.getValue());
          return true;
        }
      };

  Bridge(Connection connection, DataInputStream in, DataOutputStream out) {
    this.connection = connection;
    this.in = in;
    this.out = out;
  }

  public static void main(String[] arguments) throws Exception {
    String url = "jdbc:h2:file:" + arguments[0] + "/oracle";
    try (Connection keep = open(url + SETTINGS, arguments[1]);
        ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      endWithInput();
      System.out.println("READY " + server.getLocalPort());
      while (true) {
        Socket socket = server.accept();
        Thread session = new Thread(() -> serve(socket, url, arguments[1]));
        // H2 looks for the class of a trigger here.
        session.setContextClassLoader(Bridge.class.getClassLoader());
        session.start();
      }
    }
  }

  /** The process of before may still be ending, and have the files open. */
  static Connection open(String url, String password) throws SQLException, InterruptedException {
    for (int attempt = 1; ; attempt++) {
      try {
        return DriverManager.getConnection(url, "SYSTEM", password);
      } catch (SQLException error) {
        if (error.getErrorCode() != ALREADY_OPEN || attempt == 100) throw error;
        Thread.sleep(100);
      }
    }
  }

  /** Whoever started this process holds its input: when that one ends, however it ends, so does this one. */
  static void endWithInput() {
    Thread watch = new Thread(() -> {
      try {
        while (System.in.read() >= 0) continue;
      } catch (IOException gone) {
        // It is gone all the same.
      }
      Runtime.getRuntime().halt(0);
    });
    watch.setDaemon(true);
    watch.start();
  }

  static void serve(Socket socket, String url, String password) {
    try (socket) {
      socket.setTcpNoDelay(true);
      var in = new DataInputStream(new BufferedInputStream(socket.getInputStream(), 1 << 16));
      var out = new DataOutputStream(new BufferedOutputStream(socket.getOutputStream(), 1 << 16));
      try (Connection connection = DriverManager.getConnection(url, readText(in), password)) {
        connection.setAutoCommit(false);
        new Bridge(connection, in, out).answerAll();
      }
    } catch (EOFException | SocketException gone) {
      // The session has ended; H2 has rolled back.
    } catch (IOException | SQLException error) {
      error.printStackTrace();
    }
  }

  void answerAll() throws IOException, SQLException {
    try {
      for (int operation = in.read(); operation >= 0; operation = in.read()) {
        var bytes = new ByteArrayOutputStream();
        var answer = new DataOutputStream(bytes);
        int[] row = {0};
        try {
          answer(operation, answer, row);
        } catch (SQLException error) {
          bytes.reset();
          answer = new DataOutputStream(bytes);
          answer.writeByte(9);
          answer.writeInt(row[0]);
          writeError(answer, error);
        }
        out.writeInt(bytes.size());
        bytes.writeTo(out);
        out.flush();
      }
    } finally {
      if (!connection.isClosed()) connection.rollback();
    }
  }

  /** @param row where the row that is being done is counted */
  void answer(int operation, DataOutputStream answer, int[] row) throws IOException, SQLException {
    switch (operation) {
      case COMMIT -> {
        connection.commit();
        answer.writeByte(0);
      }
      case ROLLBACK -> {
        connection.rollback();
        answer.writeByte(0);
      }
      case DEFINE -> {
        String sql = readText(in);
        connection.commit();
        // H2 locks itself up when two sessions define something at once: one holds its catalogue, the other its monitor.
        synchronized (Bridge.class) {
          try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
          }
          connection.commit();
        }
        statements.values().forEach(Bridge::closeQuietly);
        statements.clear();
        answer.writeByte(0);
      }
      case EXECUTE -> execute(answer, row);
      default -> throw new IOException("operation " + operation);
    }
  }

  void execute(DataOutputStream answer, int[] row) throws IOException, SQLException {
    String sql = readText(in);
    int binds = in.readUnsignedShort();
    Object[][] rows = new Object[in.readInt()][binds];
    boolean goesOn = in.readByte() != 0;
    for (Object[] values : rows) for (int index = 0; index < binds; index++) values[index] = readValue();
    PreparedStatement statement = prepared(sql);
    int times = Math.max(1, rows.length);
    int[] counts = new int[times];
    List<Integer> failed = new ArrayList<>();
    List<SQLException> errors = new ArrayList<>();
    for (row[0] = 0; row[0] < times; row[0]++) {
      if (rows.length > 0) for (int index = 0; index < binds; index++) statement.setObject(index + 1, rows[row[0]][index]);
      try {
        // A statement that is refused undoes itself alone.
        if (statement.execute()) {
          writeResult(answer, statement.getResultSet());
          return;
        }
        counts[row[0]] = statement.getUpdateCount();
      } catch (SQLException error) {
        if (!goesOn) throw error;
        failed.add(row[0]);
        errors.add(error);
      }
    }
    answer.writeByte(2);
    answer.writeInt(times);
    for (int count : counts) answer.writeInt(count);
    answer.writeInt(errors.size());
    for (int index = 0; index < errors.size(); index++) {
      answer.writeInt(failed.get(index));
      writeError(answer, errors.get(index));
    }
  }

  PreparedStatement prepared(String sql) throws SQLException {
    PreparedStatement known = statements.get(sql);
    if (known != null && !known.isClosed()) return known;
    PreparedStatement statement = connection.prepareStatement(sql);
    statements.put(sql, statement);
    return statement;
  }

  static void writeResult(DataOutputStream answer, ResultSet result) throws IOException, SQLException {
    try (result) {
      ResultSetMetaData shape = result.getMetaData();
      int columns = shape.getColumnCount();
      answer.writeByte(1);
      answer.writeShort(columns);
      for (int column = 1; column <= columns; column++) {
        writeText(answer, shape.getColumnLabel(column));
        answer.writeInt(shape.getColumnType(column));
        answer.writeInt(shape.getPrecision(column));
        answer.writeInt(shape.getScale(column));
        answer.writeByte(shape.isNullable(column) == ResultSetMetaData.columnNoNulls ? 0 : 1);
      }
      var rows = new ByteArrayOutputStream();
      var writer = new DataOutputStream(rows);
      int count = 0;
      for (; result.next(); count++) {
        for (int column = 1; column <= columns; column++) writeValue(writer, result, column, shape.getColumnType(column));
      }
      answer.writeInt(count);
      rows.writeTo(answer);
    }
  }

  Object readValue() throws IOException {
    switch (in.readByte()) {
      case 0: return null;
      case 1: return readText(in);
      case 2: return new BigDecimal(readText(in));
      case 3: {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return bytes;
      }
      case 4: return LocalDateTime.parse(readText(in));
      case 5: return OffsetDateTime.parse(readText(in));
      case 6: return in.readDouble();
      default: throw new IOException("a value of no known kind");
    }
  }

  static void writeValue(DataOutputStream out, ResultSet result, int column, int type) throws IOException, SQLException {
    switch (type) {
      case Types.NUMERIC, Types.DECIMAL, Types.BIGINT, Types.INTEGER, Types.SMALLINT, Types.TINYINT -> {
        BigDecimal value = result.getBigDecimal(column);
        writeTagged(out, 2, value == null ? null : value.toPlainString());
      }
      case Types.DOUBLE, Types.REAL, Types.FLOAT -> {
        double value = result.getDouble(column);
        out.writeByte(result.wasNull() ? 0 : 6);
        if (!result.wasNull()) out.writeDouble(value);
      }
      case Types.BINARY, Types.VARBINARY, Types.BLOB -> {
        byte[] value = result.getBytes(column);
        out.writeByte(value == null ? 0 : 3);
        if (value == null) return;
        out.writeInt(value.length);
        out.write(value);
      }
      case Types.TIMESTAMP, Types.DATE -> {
        LocalDateTime value = result.getObject(column, LocalDateTime.class);
        writeTagged(out, 4, value == null ? null : value.toString());
      }
      case Types.TIMESTAMP_WITH_TIMEZONE -> {
        OffsetDateTime value = result.getObject(column, OffsetDateTime.class);
        writeTagged(out, 5, value == null ? null : value.toString());
      }
      default -> {
        String value = result.getString(column);
        writeTagged(out, 1, value == null || value.isEmpty() ? null : value);
      }
    }
  }

  static void writeTagged(DataOutputStream out, int tag, String value) throws IOException {
    out.writeByte(value == null ? 0 : tag);
    if (value != null) writeText(out, value);
  }

  static void writeError(DataOutputStream out, SQLException error) throws IOException {
    writeText(out, error.getSQLState());
    out.writeInt(error.getErrorCode());
    writeText(out, error.getMessage());
  }

  static String readText(DataInputStream in) throws IOException {
    byte[] bytes = new byte[in.readInt()];
    in.readFully(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  static void writeText(DataOutputStream out, String text) throws IOException {
    byte[] bytes = (text == null ? "" : text).getBytes(StandardCharsets.UTF_8);
    out.writeInt(bytes.length);
    out.write(bytes);
  }

  static void closeQuietly(PreparedStatement statement) {
    try {
      statement.close();
    } catch (SQLException error) {
      // It is forgotten all the same.
    }
  }

  /**
   * A trigger that notes each row that is written in another table. Its name says how: name|table|columns|columns of the row.
   */
  public static class Noting implements Trigger {
    String sql;
    int[] columns;

    @Override
    public void init(Connection connection, String schema, String name, String table, boolean before, int type)
        throws SQLException {
      String[] parts = name.split("\\|");
      String[] wanted = parts[3].split(",");
      columns = new int[wanted.length];
      try (ResultSet found = connection.getMetaData().getColumns(null, schema, table, null)) {
        while (found.next()) {
          for (int index = 0; index < wanted.length; index++) {
            if (found.getString("COLUMN_NAME").equals(wanted[index])) columns[index] = found.getInt("ORDINAL_POSITION") - 1;
          }
        }
      }
      String binds = String.join(",", Collections.nCopies(wanted.length, "?"));
      sql = "INSERT INTO \"" + schema + "\".\"" + parts[1] + "\" (" + parts[2] + ") VALUES (" + binds + ")";
    }

    @Override
    public void fire(Connection connection, Object[] before, Object[] after) throws SQLException {
      try (PreparedStatement statement = connection.prepareStatement(sql)) {
        for (int index = 0; index < columns.length; index++) statement.setObject(index + 1, after[columns[index]]);
        statement.executeUpdate();
      }
    }
  }
}
